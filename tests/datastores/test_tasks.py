"""What the clock does: retention, left-over bytes, uploads that went to the store itself."""

from typing import Any

import pytest
from sqlalchemy import update

from provenance.core.clock import NANOS
from provenance.core.errors import Unavailable
from provenance.datastores import tasks
from provenance.datastores.objects.tables import datastore_garbage, datastore_objects
from provenance.datastores.uploads import taking
from provenance.datastores.uploads.schemas import LASTS_NS
from provenance.datastores.uploads.tables import datastore_uploads
from tests.datastores.conftest import Api

DAY_NS = 86_400 * NANOS


async def later(api: Api, seconds: float) -> None:
    """Let so many seconds have passed for what is in the workspace."""
    columns: tuple[tuple[Any, str], ...] = (
        (datastore_objects, "updated_at"),
        (datastore_garbage, "after"),
        (datastore_uploads, "expires_at"),
    )
    async with api.place.ledger.db.housekeeping(api.workspace_id) as tx:
        for table, name in columns:
            moved = {name: table.c[name] - int(seconds * NANOS)}
            await tx.execute(update(table).where(table.c.workspace_id == tx.workspace_id).values(**moved))


async def look(api: Api) -> None:
    await tasks.look(api.place.running)


class TestRetention:
    async def test_what_was_not_written_for_so_long_goes(self, api: Api) -> None:
        await api.client.patch(api.url, json={"retentionDays": 3})
        for number in range(3):
            await api.put(f"old/{number}", b"xx")
        assert len(await api.keys()) == 3
        await later(api, 3 * 86_400 + 1)
        await api.put("old/1", b"new")
        assert (await api.get("old/1")).status_code == 200
        await look(api)
        assert await api.keys() == ["old/1"]
        found = await api.described()
        assert (found["objectCount"], found["totalBytes"]) == (1, 3)
        deleted = [data for event, _, data in await api.events("OBJECT") if event == "object.deleted"]
        assert [(each["key"], each["reason"]) for each in deleted] == [("old/0", "retention"), ("old/2", "retention")]

    async def test_without_it_nothing_does(self, api: Api) -> None:
        await api.put("it", b"x")
        assert await api.keys() == ["it"]
        await later(api, 4000 * 86_400)
        await look(api)
        assert await api.keys() == ["it"]


class TestLeftOvers:
    async def test_what_was_replaced_or_deleted_is_destroyed_after_a_quarter_of_an_hour(self, api: Api) -> None:
        for content in (b"one", b"two"):
            await api.put("it", content)
            await api.get("it")
        await api.put("gone", b"x")
        await api.client.delete(api.at("gone"))
        await look(api)
        before = api.place.blobs(api.workspace)
        assert len([each for each in before if not each.endswith("/sent")]) == 3
        await later(api, 901)
        await look(api)
        assert len([each for each in api.place.blobs(api.workspace) if not each.endswith("/sent")]) == 1
        assert (await api.get("it")).content == b"two"

    async def test_uploads_that_came_to_nothing(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        """A server that dies between the bytes and their row, and parts nobody sent the end of."""

        async def dies(*_: Any) -> Any:
            raise Unavailable("the database went away in the middle")

        with monkeypatch.context() as patched:
            patched.setattr(taking, "show", dies)
            assert (await api.put("dead", b"bytes", resumable=True)).status_code == 503
        asked = await api.ask("parts", b"abcd", resumable=True)
        await api.send(asked, b"ab", **{"content-range": "bytes 0-1/4"})
        await api.put("whole", b"stays", resumable=True)
        assert await api.keys() == ["whole"]
        assert len(api.place.blobs(api.workspace)) == 3
        await look(api)
        assert len(api.place.blobs(api.workspace)) == 3
        await later(api, LASTS_NS / NANOS + 3601)
        await look(api)
        assert len(api.place.blobs(api.workspace)) == 1
        assert (await api.get("whole")).content == b"stays"
        assert (await api.send(asked, b"cd", **{"content-range": "bytes 2-3/4"})).status_code == 404

    async def test_what_went_to_the_store_itself_is_seen_without_being_asked_for(self, api: Api) -> None:
        await api.put("it", b"bytes")
        await look(api)
        assert [event for event, _, _ in await api.events("OBJECT")] == ["object.written"]
        await later(api, LASTS_NS / NANOS + 3601)
        await look(api)
        assert len(api.place.blobs(api.workspace)) == 1
