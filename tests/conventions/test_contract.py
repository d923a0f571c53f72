"""The server keeps to its own description: requests made up from the OpenAPI document, good ones and bad ones."""

import asyncio
import sys
from pathlib import Path

from tests.conftest import Running, Tenant

SECONDS = 15
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
)


async def made_up(app: Running, key: str, folder: Path) -> str:
    """Run schemathesis in a process of its own; return what it says when something is wrong."""
    command = (
        sys.executable, "-m", "schemathesis.cli", "run", f"{app.url}/docs/openapi.json", "--url", app.url,
        "--header", f"x-api-key: {key}", "--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing",
        "--max-examples", "4", "--max-time", str(SECONDS), "--seed", "1", "--no-shrink", "--continue-on-failure",
        "--warnings", "off", "--no-color", "--generation-database", "none",
    )  # fmt: skip
    out, both = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=out, stderr=both)
    said = (await process.communicate())[0].decode()
    assert "generated" in said, said
    return "" if process.returncode == 0 else said


async def test_every_operation_answers_as_described(app: Running, workspace: Tenant, tmp_path: Path) -> None:
    assert not await made_up(app, workspace.key, tmp_path)
