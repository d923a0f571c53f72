"""Packages and skills that tests make."""

import json
import stat
import zipfile
from hashlib import sha256
from io import BytesIO
from typing import Any

import httpx

MAIN = "def run(input):\n    return {'got': input}\n"


def packed(files: dict[str, str | bytes], *, links: dict[str, str] | None = None, **manifest: Any) -> bytes:
    """Make a package of these files; its manifest says python3 and main:run unless told otherwise."""
    said = {"runtime": "python3", "handler": "main:run", **manifest}
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("skill.json", json.dumps(said))
        for name, content in files.items():
            archive.writestr(name, content)
        for name, target in (links or {}).items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(entry, target)
    return buffer.getvalue()


async def upload(client: httpx.AsyncClient, skill_id: str, content: bytes) -> httpx.Response:
    """Ask for an address and send a package to it."""
    body = {"fileName": "skill.zip", "sizeBytes": len(content), "sha256": sha256(content).hexdigest()}
    asked = await client.post(f"/skills/{skill_id}/upload-url", json=body)
    assert asked.status_code == 200, asked.text
    found = asked.json()
    async with httpx.AsyncClient(timeout=30) as anybody:
        return await anybody.put(found["uploadUrl"], content=content, headers=found["headers"])


async def made(client: httpx.AsyncClient, code: str | None = MAIN, **more: Any) -> dict[str, Any]:
    """Make a skill with this code."""
    answer = await client.post("/skills", json={"name": "trial", "description": "of the tests", **more})
    assert answer.status_code == 201, answer.text
    skill: dict[str, Any] = answer.json()
    if code is not None:
        sent = await upload(client, skill["skillId"], packed({"main.py": code}))
        assert sent.status_code == 200, sent.text
        skill = (await client.get(f"/skills/{skill['skillId']}")).json()
    return skill
