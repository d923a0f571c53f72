"""The server keeps to its own description: requests made up from the OpenAPI document, good ones and bad ones.

Each caller is one run: an admin's token opens every route, a key of every scope those of programs, and a key of one
scope is turned away nearly everywhere, which has to be described as well.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from provenance.core.actor import Role
from tests.conftest import MakeTenant, Running, Tenant
from tests.identity.conftest import bearer, make_person_of, sign_in, some_address

SECONDS = 12
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
)
ENDS_THE_SESSION = "auth.logout"
NEVER_ENDS = "realtime.stream"
Who = Callable[[Running, MakeTenant, Tenant], Awaitable[dict[str, str]]]


async def admin(app: Running, make_tenant: MakeTenant, home: Tenant) -> dict[str, str]:
    """A person who may do everything."""
    person = await make_person_of(app, home, Role.ADMIN)
    async with httpx.AsyncClient(base_url=app.url, headers={"x-forwarded-for": some_address()}) as web:
        return {"Authorization": bearer(await sign_in(web, person))["authorization"]}  # spelt as the checks look for it


async def whole_key(app: Running, make_tenant: MakeTenant, home: Tenant) -> dict[str, str]:
    """A key that has every scope."""
    return {"x-api-key": home.key}


async def narrow_key(app: Running, make_tenant: MakeTenant, home: Tenant) -> dict[str, str]:
    """A key that has one scope."""
    return {"x-api-key": (await make_tenant(("bus:read",), into=home.id)).key}


async def made_up(app: Running, headers: dict[str, str], folder: Path) -> str:
    """Run schemathesis in a process of its own; return what it says when something is wrong."""
    command = (
        sys.executable, "-m", "schemathesis.cli", "run", f"{app.url}/docs/openapi.json", "--url", app.url,
        *(part for header in headers.items() for part in ("--header", ": ".join(header))),
        "--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing", "--exclude-operation-id", ENDS_THE_SESSION,
        "--exclude-operation-id", NEVER_ENDS,
        "--max-examples", "4", "--max-time", str(SECONDS), "--seed", "1", "--no-shrink", "--continue-on-failure",
        "--warnings", "off", "--no-color", "--generation-database", "none",
    )  # fmt: skip
    out, both = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=out, stderr=both)
    said = (await process.communicate())[0].decode()
    assert "generated" in said, said
    return "" if process.returncode == 0 else said


@pytest.mark.parametrize("who", [admin, whole_key, narrow_key])
async def test_every_operation_answers_as_described(
    app: Running, make_tenant: MakeTenant, workspace: Tenant, tmp_path: Path, who: Who
) -> None:
    headers = await who(app, make_tenant, workspace) | {"x-forwarded-for": some_address()}
    said = await made_up(app, headers, tmp_path)
    if said:
        pytest.fail(said, pytrace=False)
