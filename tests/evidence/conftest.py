"""A workspace whose rows are signed on demand, and evidence asked for as a client does."""

import io
import json
import uuid
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from provenance.core import ids
from provenance.ledger.completeness.following import Follower, Progress
from provenance.ledger.log.heads import Heads
from provenance.ledger.log.integrating import Integrator
from tests.conftest import Running, Tenant

UOW = "7b1f6a1e-0d1c-4b7a-9a37-3f6f4b6f2d11"
Sign = Callable[[], Awaitable[None]]


@pytest.fixture
def workspace_id(workspace: Tenant) -> uuid.UUID:
    found = ids.decode("ws", workspace.id)
    assert found is not None
    return found


@pytest.fixture
def sign(app: Running, workspace_id: uuid.UUID, tmp_path: Path) -> Sign:
    """Sign a head over all there is."""
    integrator = Integrator(app.ledger, Heads(tmp_path / "heads"))

    follower = Follower(app.ledger)

    async def sign() -> None:
        await integrator.integrate([workspace_id])
        while await follower.follow(workspace_id) is Progress.MORE:
            pass

    return sign


async def post(client: httpx.AsyncClient, count: int, *, uow: str = UOW, **fields: Any) -> None:
    """Record rows of a unit of work."""
    row = {"resourceType": "DOOR", "action": "OPEN", "origin": "TEST", "uowId": uow, "userId": "ada", **fields}
    for start in range(0, count, 1000):
        items = [
            {"resourceId": f"door-{n}", "interaction": {"by": "key ☃", "at": n}, **row}
            for n in range(start, min(count, start + 1000))
        ]
        answer = await client.post("/api/interactions/batch", json=items)
        assert answer.status_code == 201, answer.text


async def ask(client: httpx.AsyncClient, **filters: Any) -> dict[str, Any]:
    """Ask for evidence."""
    answer = await client.post("/api/evidence", json={"filters": filters or {"uowId": UOW}})
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    return found


async def pack_of(client: httpx.AsyncClient, **filters: Any) -> bytes:
    """Ask for evidence and download it."""
    made = await ask(client, **filters)
    answer = await client.get(f"/api/evidence/{made['id']}/download")
    assert answer.status_code == 200, answer.text
    assert len(answer.content) == int(answer.headers["content-length"])
    return answer.content


async def key_of(client: httpx.AsyncClient) -> str:
    """The log's verifier key."""
    return (await client.get("/api/log/key")).text.strip()


def read(pack: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(pack)) as found:
        return found.read(name)


def lines_of(pack: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in read(pack, "records.ndjson").splitlines()]
