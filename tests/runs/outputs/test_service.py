"""Large outputs leave the database, read the same before and after, and go when no run needs them."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from provenance.core.actor import Actor, Kind
from provenance.core.objects import Objects, ObjectStoreAway
from provenance.engine.tables import LARGE_BYTES
from provenance.runs import service
from provenance.runs.outputs.service import AREA, Outputs
from provenance.runs.schemas import RunReplay
from tests.conftest import Running
from tests.runs.conftest import World
from tests.runs.published import definition, transform
from tests.runs.test_carrying import decide

GIVEN = {"text": "x" * (LARGE_BYTES + 1)}
GATE = {"key": "gate", "kind": "approval", "config": {"title": "Go on?", "risk": "medium"}}
SIZED = definition(transform("big", "{{ input.text }}"), GATE, transform("sized", "{{ size(steps.big.output) }}"))


@pytest.fixture
def outputs(app: Running) -> Outputs:
    return Outputs(app.ledger.db, app.door.framework.state.objects)


async def read(world: World, client: httpx.AsyncClient, run_id: str) -> dict[str, tuple[Any, Any]]:
    """Read the output of each step that has one elsewhere: what its row shows, and what stands there."""
    found = {}
    for key, step in (await world.steps(run_id)).items():
        if step.output_ref is not None:
            answer = await client.get(step.output_ref)
            assert answer.status_code == 200, answer.text
            found[key] = (step.output, answer.json())
    return found


async def replayed(world: World, run_id: str, step_id: str) -> str:
    asked = RunReplay.model_validate({"fromStepId": step_id})
    async with world.app.ledger.db.write(Actor(Kind.SYSTEM, "tester", world.workspace_id)) as tx:
        return (await service.replay(tx, world.runs, run_id, asked, given=False)).run_id


async def kept(world: World) -> set[str]:
    """Return the blobs of the workspace's outputs."""
    objects = world.app.door.framework.state.objects
    return {each.key async for each in objects.listed(world.workspace_id, AREA)}


async def removed(world: World, run_id: str) -> None:
    async with world.app.ledger.db.housekeeping(world.workspace_id) as tx:
        await service.delete(tx, run_id)


async def overdue(world: World) -> None:
    """Let the moment come in which blobs in doubt are looked at."""
    async with world.app.ledger.db.housekeeping(world.workspace_id) as tx:
        await tx.execute(
            text("UPDATE run_output_garbage SET after = 0 WHERE workspace_id = :w"), {"w": tx.workspace_id}
        )


async def moved(world: World, outputs: Outputs) -> dict[str, str]:
    """Move what is large; return where outputs of the workspace's steps are, by step."""
    while await outputs.move():
        continue
    return await blobs(world)


async def blobs(world: World) -> dict[str, str]:
    query = text("SELECT step_key, output_ref FROM run_steps WHERE workspace_id = :w AND output_ref IS NOT NULL")
    async with world.app.ledger.db.housekeeping() as tx:
        return {row.step_key: row.output_ref for row in await tx.execute(query, {"w": world.workspace_id})}


class TestMove:
    async def test_a_run_goes_on_with_what_was_moved(self, world: World, outputs: Outputs) -> None:
        run_id = await world.start(world.published.publish(SIZED), GIVEN)
        await world.until(run_id, "approval")
        assert (await moved(world, outputs)).keys() == {"start", "big"}
        await decide(world, run_id, "gate", "approved")
        async with world.working():
            run = await world.until(run_id)
        assert (run.status, run.output) == ("completed", LARGE_BYTES + 1)

    async def test_it_reads_the_same_before_and_after(
        self, world: World, outputs: Outputs, client: httpx.AsyncClient
    ) -> None:
        run_id = await world.start(world.published.publish(SIZED), GIVEN)
        await world.until(run_id, "approval")
        before = await read(world, client, run_id)
        assert await moved(world, outputs)
        assert await read(world, client, run_id) == before
        assert before["big"] == (None, GIVEN["text"])
        assert before["start"] == (None, GIVEN)
        path = f"/runs/{run_id}/steps/0001_st_logic/output"
        assert (await client.get(path)).json()["code"] == "step_not_found"

    async def test_what_is_small_stays(self, world: World, outputs: Outputs) -> None:
        small = {"text": "x" * (LARGE_BYTES - 100)}
        run_id = await world.start(world.published.publish(definition(transform("it", "{{ input.text }}"))), small)
        await world.until(run_id)
        assert await moved(world, outputs) == {}
        assert {each.output_ref for each in (await world.steps(run_id)).values()} == {None}

    async def test_an_item_of_a_loop(self, world: World, outputs: Outputs, client: httpx.AsyncClient) -> None:
        each = transform("each", "{{ item }}", forEach={"items": "{{ input.texts }}"})
        given = {"texts": ["x" * LARGE_BYTES, "y"]}
        run_id = await world.start(world.published.publish(definition(each)), given)
        await world.until(run_id)
        assert (await read(world, client, run_id))["each/1"] == (None, "x" * LARGE_BYTES)

    async def test_a_store_that_is_away_takes_nothing(self, world: World, outputs: Outputs, tmp_path: Path) -> None:
        run_id = await world.start(world.published.publish(SIZED), GIVEN)
        await world.until(run_id, "approval")
        (tmp_path / str(world.workspace_id)).write_text("in the way")
        settings = world.app.ledger.settings.model_copy(update={"objects_url": f"file://{tmp_path}"})
        with pytest.raises(ObjectStoreAway):
            await Outputs(world.app.ledger.db, Objects.of(settings)).move()
        assert await blobs(world) == {}
        assert (await moved(world, outputs)).keys() == {"start", "big"}


class TestDestroy:
    async def test_of_a_run_that_was_deleted(self, world: World, outputs: Outputs) -> None:
        run_id = await world.start(world.published.publish(definition(transform("it", "{{ input.text }}"))), GIVEN)
        await world.until(run_id)
        there = set((await moved(world, outputs)).values())
        await removed(world, run_id)
        await outputs.destroy()
        assert await kept(world) >= there
        await overdue(world)
        while await outputs.destroy():
            continue
        assert not await kept(world) & there

    async def test_a_replay_keeps_what_it_copied(self, world: World, outputs: Outputs) -> None:
        document = definition(transform("big", "{{ input.text }}"), transform("sized", "{{ size(steps.big.output) }}"))
        run_id = await world.start(world.published.publish(document), GIVEN)
        await world.until(run_id)
        blob = (await moved(world, outputs))["big"]
        again = await replayed(world, run_id, "0003_st_logic")
        await removed(world, run_id)
        await overdue(world)
        await outputs.destroy()
        assert blob in await kept(world)
        async with world.working():
            assert (await world.until(again)).output == LARGE_BYTES + 1

    async def test_bytes_whose_row_went_meanwhile(
        self, world: World, outputs: Outputs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run_id = await world.start(world.published.publish(definition(transform("it", "{{ input.text }}"))), GIVEN)
        await world.until(run_id)
        objects = world.app.door.framework.state.objects
        put = objects.put

        async def put_late(*arguments: Any, **more: Any) -> Any:
            found = await put(*arguments, **more)
            monkeypatch.undo()
            await removed(world, run_id)
            return found

        monkeypatch.setattr(objects, "put", put_late)
        await outputs.move()
        assert len(await kept(world)) == 1
        await overdue(world)
        await outputs.destroy()
        assert await kept(world) == set()
