"""What the clock does: bytes of packages that nobody needs any more."""

import uuid
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from provenance.core.clock import NANOS
from provenance.core.errors import Unavailable
from provenance.core.ids import decode
from provenance.skills import tasks, uploading
from provenance.skills.tables import skill_garbage, skill_packages
from tests.conftest import Running, Tenant
from tests.skills.packages import MAIN, made, packed, upload

PACKAGE = packed({"main.py": MAIN})


async def dies(*_: Any) -> Any:
    raise Unavailable("the database went away in the middle")


def workspace_of(tenant: Tenant) -> uuid.UUID:
    found = decode("ws", tenant.id)
    assert found is not None
    return found


async def later(app: Running, workspace: Tenant, seconds: int) -> None:
    """Let so many seconds have passed for the packages of a workspace."""
    columns: tuple[tuple[Any, str], ...] = ((skill_packages, "expires_at"), (skill_garbage, "after"))
    async with app.ledger.db.housekeeping(workspace_of(workspace)) as tx:
        for table, name in columns:
            moved = {name: table.c[name] - seconds * NANOS}
            await tx.execute(update(table).where(table.c.workspace_id == tx.workspace_id).values(**moved))


async def kept(app: Running, workspace: Tenant) -> int:
    """Look once as the worker does, and return how many packages there are bytes of."""
    objects = app.door.framework.state.objects
    await tasks.look(app.ledger.db, objects)
    return len([each async for each in objects.listed(workspace_of(workspace), uploading.AREA)])


class TestLeftOvers:
    async def test_an_upload_that_died_between_its_bytes_and_their_row(
        self, client: httpx.AsyncClient, app: Running, workspace: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        skill = await made(client)
        with monkeypatch.context() as patched:
            patched.setattr(uploading, "_settle", dies)
            assert (await upload(client, skill["skillId"], PACKAGE)).status_code == 503
        assert await kept(app, workspace) == 2
        await later(app, workspace, 15 * 60 + 3500)
        assert await kept(app, workspace) == 2, "an upload may still be on its way"
        await later(app, workspace, 200)
        assert await kept(app, workspace) == 1
        called = await client.post(f"/skills/{skill['skillId']}/run", json={"input": 1})
        assert called.json()["output"] == {"got": 1}

    async def test_a_skill_that_was_deleted_takes_them_along(
        self, client: httpx.AsyncClient, app: Running, workspace: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        skill = await made(client)
        with monkeypatch.context() as patched:
            patched.setattr(uploading, "_settle", dies)
            await upload(client, skill["skillId"], PACKAGE)
        assert (await client.delete(f"/skills/{skill['skillId']}")).status_code == 200
        assert await kept(app, workspace) == 1, "the package that was announced may still arrive"
        await later(app, workspace, 2 * 3600)
        assert await kept(app, workspace) == 0
