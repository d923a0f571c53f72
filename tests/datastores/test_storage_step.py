"""The step kinds `storage` and `data` from a datastore, in runs of a real worker."""

import asyncio
from typing import Any

import httpx
import pytest

from provenance.core import ids
from provenance.core.actor import Actor, Kind
from provenance.core.egress import Egress
from provenance.datastores import storing
from provenance.datastores.errors import BadKey, OverLimit
from provenance.datastores.objects.schemas import ByRun
from provenance.datastores.storing import Content
from provenance.runs.doers.http import Http
from provenance.runs.doers.storage import Data, Storage, content_of, value_of
from tests.conftest import Running, Tenant
from tests.datastores.conftest import Api, Place
from tests.runs.conftest import World, world
from tests.runs.published import definition

__all__ = ["world"]


@pytest.fixture(params=["s3-behind-us"])
def place(request: pytest.FixtureRequest, places: dict[str, Place]) -> Place:
    return places[request.param]


@pytest.fixture
async def here(app: Running, workspace: Tenant, place: Place):
    """A datastore of the workspace that runs are started in."""
    async with httpx.AsyncClient(base_url=place.app.url, headers={"x-api-key": workspace.key}) as client:
        found = Api(client, workspace, place)
        await found.create()
        yield found


def storage(name: str, op: str, api: Api, **config: Any) -> dict[str, Any]:
    return {"key": name, "kind": "storage", "config": {"op": op, "datastoreId": api.id, **config}}


async def carried(world: World, api: Api, *steps: dict[str, Any], given: Any = None) -> Any:
    """Carry a run of these steps to its end."""
    found, egress = Storage(api.place.running), Egress([])
    async with world.working(further={"storage": found, "data": Data(Http(egress), found)}):
        run = await world.until(await world.start(world.published.publish(definition(*steps)), given or {}))
    await egress.close()
    return run, await world.steps(run.run_id)


class TestStep:
    async def test_written_listed_read_and_deleted(self, world: World, here: Api) -> None:
        run, steps = await carried(
            world,
            here,
            storage("write", "write", here, key="a/{{ input.name }}.json", value={"n": "{{ input.n }}"}),
            storage("text", "write", here, key="a/text", value="plain", contentType="text/markdown"),
            storage("list", "list", here, prefix="a/"),
            storage("read", "read", here, key="{{ steps.write.output.key }}"),
            {"key": "also", "kind": "data", "config": {"source": "datastore", "datastoreId": here.id, "key": "a/text"}},
            storage("gone", "delete", here, key="a/text"),
            storage("again", "delete", here, key="a/text"),
            given={"name": "may", "n": 750},
        )
        assert run.status == "completed", run.error
        assert steps["write"].output["key"] == "a/may.json"
        assert [each["key"] for each in steps["list"].output["items"]] == ["a/may.json", "a/text"]
        assert steps["read"].output["value"] == {"n": 750}
        assert (steps["also"].output["value"], steps["also"].output["contentType"]) == ("plain", "text/markdown")
        assert (steps["gone"].output["deleted"], steps["again"].output["deleted"]) == (True, False)
        [listed] = (await here.client.get(f"{here.url}/objects")).json()["items"]
        assert (listed["key"], listed["runId"]) == ("a/may.json", run.run_id)
        assert (await here.get("a/may.json")).json() == {"n": 750}

    async def test_a_datastore_by_its_name(self, world: World, here: Api) -> None:
        run, steps = await carried(
            world,
            here,
            storage("known", "write", here, key="a", value=1, datastoreId="reports"),
            storage("new", "write", here, key="b", value=2, datastoreId="letters"),
            storage("read", "read", here, key="b", datastoreId="letters"),
        )
        assert (run.status, steps["read"].output["value"]) == ("completed", 2)
        assert await here.keys() == ["a"]
        listed = (await here.client.get("/datastores")).json()["items"]
        assert [(each["name"], each["objectCount"]) for each in listed] == [("letters", 1), ("reports", 1)]

    async def test_what_it_does_lands_in_the_trace_of_the_run(self, world: World, here: Api) -> None:
        run, _ = await carried(world, here, storage("write", "write", here, key="it", value="secret words"))
        uow = ids.decode("run", run.run_id)
        trace = (await here.client.get(f"/api/traces/{uow}")).text
        assert "WRITTEN" in trace
        [(_, _, data)] = await here.events("OBJECT")
        assert data["runId"] == run.run_id
        assert "secret words" not in str(await here.events("OBJECT", "RUN"))

    @pytest.mark.parametrize(
        ("config", "code"),
        [
            ({"op": "read", "key": "none"}, "object_not_found"),
            ({"op": "write", "key": "a/../b", "value": 1}, "bad_object_key"),
            ({"op": "write", "key": "it", "value": 1, "datastoreId": "ds_none"}, "datastore_not_found"),
            ({"op": "read", "key": "it", "datastoreId": "none"}, "datastore_not_found"),
        ],
        ids=["nothing", "key", "datastore", "name"],
    )
    async def test_what_fails_says_why(self, world: World, here: Api, config: dict[str, Any], code: str) -> None:
        step = storage("it", "read", here)
        step["config"] |= config
        run, steps = await carried(world, here, step)
        assert (run.status, steps["it"].error.code) == ("failed", code)


class TestStoring:
    async def test_a_second_attempt_writes_nothing(self, here: Api) -> None:
        actor = Actor(Kind.SYSTEM, "system", here.workspace_id)
        by = ByRun(ids.new_uuid(), str(ids.new_uuid()))
        content = content_of("it", {"n": 1}, None)
        first = await storing.write(here.place.running, actor, here.id, content, by)
        again = await storing.write(here.place.running, actor, here.id, content, by)
        assert first.blob == again.blob
        assert len(await here.events("OBJECT")) == 1
        other = await storing.write(here.place.running, actor, here.id, content, by._replace(id=ids.new_uuid()))
        assert other.blob != first.blob
        assert other.id == first.id

    async def test_limits(self, here: Api) -> None:
        actor = Actor(Kind.SYSTEM, "system", here.workspace_id)
        by = ByRun(ids.new_uuid(), str(ids.new_uuid()))
        await here.client.patch(here.url, json={"maxObjectBytes": 5})
        with pytest.raises(OverLimit):
            await storing.write(here.place.running, actor, here.id, Content("it", b"x" * 6, "a/b"), by)
        with pytest.raises(BadKey):
            await storing.write(here.place.running, actor, here.id, Content("/it", b"x", "a/b"), by)
        await storing.write(here.place.running, actor, here.id, Content("it", b"x" * 5, "a/b"), by)
        with pytest.raises(OverLimit):
            await storing.read(here.place.running, actor, here.id, "it", 4)

    async def test_many_at_once(self, here: Api) -> None:
        actor = Actor(Kind.SYSTEM, "system", here.workspace_id)
        by = ByRun(ids.new_uuid(), str(ids.new_uuid()))
        content = content_of("it", "x", None)
        rows = await asyncio.gather(*(storing.write(here.place.running, actor, here.id, content, by) for _ in range(4)))
        assert {row.id for row in rows} == {rows[0].id}


def test_values_as_objects_and_back() -> None:
    for value in ("text", {"n": 1, "ä": [None, True]}, [1, 2], 7, None):
        content = content_of("it", value, None)
        assert value_of(content.content_type, content.body) == value
    assert value_of("application/json", b"{no json") == "{no json"
    assert value_of("image/png", b"\x89\xff") == {"base64": "if8="}
