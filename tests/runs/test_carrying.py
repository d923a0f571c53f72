"""Runs from start to end, in the server and in a worker, against a real database."""

import asyncio
from typing import Any

from provenance.core import ids
from provenance.engine import service as engine
from provenance.engine.tokens import wait_token
from tests.runs.conftest import World
from tests.runs.published import definition, transform
from tests.runs.target import Target


def action(key: str, target: Target, **more: Any) -> dict[str, Any]:
    """Write a step that posts to the target, which honours the key."""
    config = {"target": "http", "url": f"{target.url}/{key}", "honoursIdempotencyKey": True, **more.pop("config", {})}
    return {"key": key, "kind": "action", "config": config, **more}


def data(key: str, target: Target, **more: Any) -> dict[str, Any]:
    """Write a step that reads from the target."""
    return {"key": key, "kind": "data", "config": {"source": "http", "url": f"{target.url}/{key}"}, **more}


async def decide(world: World, run_id: str, step_key: str, decision: str, **more: Any) -> None:
    """Decide what a run waits for, as the approvals will."""
    found = ids.decode("run", run_id)
    assert found is not None
    async with world.app.ledger.db.housekeeping(world.workspace_id) as tx:
        await engine.resolve(tx, wait_token(found, step_key, 0), {"decision": decision, **more})
        engine.wake(tx, world.runs.engine)


QUICK = {"retry": {"maxAttempts": 3, "initialSeconds": 0.01, "backoff": "fixed", "jitter": False}}


class TestPureRuns:
    async def test_one_of_pure_steps_ends_without_a_worker(self, world: World) -> None:
        double = transform("double", {"n": "{{ input.n * 2 }}"})
        more = transform("more", "{{ steps.double.output.n + 1 }}")
        run = await world.until(await world.start(world.published.publish(definition(double, more)), {"n": 4}))
        assert (run.status, run.output, run.error) == ("completed", 9, None)
        assert run.step_counts == {"succeeded": 3}
        steps = await world.steps(run.run_id)
        assert [(each.step_id, each.status) for each in steps.values()] == [
            ("0001_st_trigger", "succeeded"),
            ("0002_st_logic", "succeeded"),
            ("0003_st_logic", "succeeded"),
        ]
        assert steps["double"].output == {"n": 8}

    async def test_the_first_true_case_wins_and_the_other_branch_is_skipped(self, world: World) -> None:
        split = {
            "key": "split",
            "kind": "logic",
            "config": {
                "mode": "switch",
                "cases": [{"name": "big", "when": "input.n > 10"}, {"name": "odd", "when": "input.n % 2 == 1"}],
                "default": "rest",
            },
        }
        edges = [("start", "split")] + [
            {"from": "split", "to": key, "on": f"case:{key}"} for key in ("big", "odd", "rest")
        ]
        document = definition(split, *[transform(key, key) for key in ("big", "odd", "rest")], edges=edges)
        workflow = world.published.publish(document)
        for n, taken in ((11, "big"), (3, "odd"), (4, "rest")):
            run = await world.until(await world.start(workflow, {"n": n}))
            assert (run.status, run.output) == ("completed", taken)
            assert run.step_counts == {"succeeded": 3, "skipped": 2}

    async def test_a_failure_that_no_edge_handles_fails_the_run(self, world: World) -> None:
        run = await world.until(
            await world.start(world.published.publish(definition(transform("bad", "{{ input.missing }}"))), {})
        )
        assert run.status == "failed"
        assert (run.error.code, run.error.step_id) == ("expression_error", "0002_st_logic")

    async def test_an_error_edge_handles_it_and_continue_ignores_it(self, world: World) -> None:
        bad, rescue = transform("bad", "{{ input.missing }}"), transform("rescue", "{{ steps.bad.error.code }}")
        edges = [("start", "bad"), {"from": "bad", "to": "rescue", "on": "error"}]
        run = await world.until(await world.start(world.published.publish(definition(bad, rescue, edges=edges)), {}))
        assert (run.status, run.output) == ("completed", "expression_error")
        ignored = transform("bad", "{{ input.missing }}", onError="continue")
        after = transform("after", "{{ steps.bad.output == null }}")
        run = await world.until(await world.start(world.published.publish(definition(ignored, after)), {}))
        assert (run.status, run.output) == ("completed", True)

    async def test_a_step_for_each_item_keeps_their_order(self, world: World) -> None:
        each = transform(
            "each", "{{ item * item + item_index }}", forEach={"items": "{{ input.all }}", "concurrency": 4}
        )
        workflow = world.published.publish(definition(each))
        run = await world.until(await world.start(workflow, {"all": [1, 2, 3]}))
        assert run.output == [1, 5, 11]
        assert set(await world.steps(run.run_id)) == {"start", "each", "each/1", "each/2", "each/3"}
        assert (await world.until(await world.start(workflow, {"all": []}))).output == []
        assert (await world.until(await world.start(workflow, {"all": 3}))).error.code == "not_a_list"

    async def test_items_that_fail_are_collected_or_fail_the_step(self, world: World) -> None:
        items = {"items": [1, 0, 2], "onItemError": "collect"}
        collecting = transform("each", "{{ 10 / item }}", forEach=items)
        run = await world.until(await world.start(world.published.publish(definition(collecting)), {}))
        assert [run.output[0], run.output[1]["error"]["code"], run.output[2]] == [10, "expression_error", 5]
        failing = transform("each", "{{ 10 / item }}", forEach={**items, "onItemError": "fail"})
        run = await world.until(await world.start(world.published.publish(definition(failing)), {}))
        assert (run.status, run.error.code) == ("failed", "expression_error")


class TestOutside:
    async def test_a_worker_carries_it_out_under_the_key_of_the_step(self, world: World, target: Target) -> None:
        steps = (action("pay", target, input={"sum": "{{ input.sum }}"}), data("look", target))
        document = definition(*steps, output="{{ steps.pay.output.body.path }}")
        async with world.working():
            run = await world.until(await world.start(world.published.publish(document), {"sum": 3}))
        assert (run.status, run.output) == ("completed", "/pay")
        assert target.done == {f"{run.run_id}:pay:0": 1}
        assert target.bodies[0] == '{"sum":3}'
        assert target.calls[0].headers["x-uowid"] == run.uow_id

    async def test_it_tries_again_with_the_same_key(self, world: World, target: Target) -> None:
        target.failures.extend([503, 429])
        async with world.working():
            run = await world.until(
                await world.start(world.published.publish(definition(action("pay", target, **QUICK))), {})
            )
            steps = await world.steps(run.run_id)
        assert run.status == "completed"
        assert [each.error and each.error.code for each in steps["pay"].attempts] == [
            "unavailable",
            "rate_limited",
            None,
        ]
        assert len({call.headers["Idempotency-Key"] for call in target.calls}) == 1

    async def test_what_the_target_refuses_is_not_tried_again(self, world: World, target: Target) -> None:
        target.failures.extend([404])
        async with world.working():
            run = await world.until(
                await world.start(world.published.publish(definition(action("pay", target, **QUICK))), {})
            )
        assert (run.status, run.error.code, len(target.calls)) == ("failed", "refused_by_target", 1)

    async def test_a_step_that_takes_too_long_times_out(self, world: World, target: Target) -> None:
        target.hold = asyncio.Event()
        slow = data("look", target, timeoutSeconds=0.1, retry={"maxAttempts": 1})
        async with world.working():
            run = await world.until(await world.start(world.published.publish(definition(slow)), {}))
        assert (run.status, run.error.code) == ("failed", "timeout")

    async def test_branches_run_side_by_side_and_meet(self, world: World, target: Target) -> None:
        edges = [("start", "a"), ("start", "b"), ("a", "join"), ("b", "join")]
        join = transform("join", ["{{ steps.a.output.body.path }}", "{{ steps.b.output.body.path }}"])
        document = definition(data("a", target), data("b", target), join, edges=edges)
        target.hold = asyncio.Event()
        async with world.working():
            run_id = await world.start(world.published.publish(document), {})
            async with asyncio.timeout(30):
                while len(target.calls) < 2:
                    await asyncio.sleep(0.01)
            target.hold.set()
            run = await world.until(run_id)
        assert (run.status, run.output) == ("completed", ["/a", "/b"])

    async def test_an_unhandled_failure_cancels_the_other_branches(self, world: World, target: Target) -> None:
        target.hold = asyncio.Event()
        edges = [("start", "slow"), ("start", "bad")]
        document = definition(action("slow", target), transform("bad", "{{ input.x }}"), edges=edges)
        async with world.working():
            run = await world.until(await world.start(world.published.publish(document), {}))
            assert (run.status, run.error.code) == ("failed", "expression_error")
        target.hold.set()


class TestWaiting:
    async def test_a_pause_parks_the_run_and_says_so(self, world: World) -> None:
        pause = {"key": "rest", "kind": "wait", "config": {"seconds": 0.4}}
        async with world.working():
            run_id = await world.start(world.published.publish(definition(pause)), {})
            run = await world.get(run_id)
            assert run.status == "running"
            assert run.waiting_for.startswith("Pauses since ")
            assert run.waiting[0].step_id == "0002_st_wait"
            run = await world.until(run_id)
        assert run.status == "completed"
        assert run.duration_ms >= 400

    async def test_people_approve_and_their_edit_is_what_follows(self, world: World) -> None:
        gate = {"key": "gate", "kind": "approval", "config": {"title": "Pay?", "risk": "medium"}}
        after = {"key": "after", "kind": "logic", "config": {"mode": "if", "cases": [{"name": "x", "when": "true"}]}}
        async with world.working():
            run_id = await world.start(world.published.publish(definition(gate, after)), {"sum": 9})
            run = await world.until(run_id, "approval")
            assert "for people to approve or reject" in run.waiting_for
            await decide(world, run_id, "gate", "approved", payload={"sum": 5}, decidedBy="user_1", edited=True)
            run = await world.until(run_id)
        assert (run.status, run.output) == ("completed", {"sum": 5})

    async def test_a_rejection_fails_the_run_or_takes_its_edge(self, world: World) -> None:
        gate = {"key": "gate", "kind": "approval", "config": {"title": "Pay?", "risk": "medium"}}
        branching = {**gate, "config": {**gate["config"], "rejectBehaviour": "branch"}}
        no = transform("no", "{{ approval.gate.decision }}")
        edges = [("start", "gate"), {"from": "gate", "to": "no", "on": "rejected"}]
        async with world.working():
            for document, ending in (
                (definition(gate), ("failed", "approval_rejected", None)),
                (definition(branching, no, edges=edges), ("completed", None, "rejected")),
            ):
                run_id = await world.start(world.published.publish(document), {})
                await world.until(run_id, "approval")
                await decide(world, run_id, "gate", "rejected")
                run = await world.until(run_id)
                assert (run.status, run.error and run.error.code, run.output) == ending

    async def test_a_decision_that_meets_a_busy_run_is_kept(self, world: World, target: Target) -> None:
        gate = {"key": "gate", "kind": "approval", "config": {"title": "Pay?", "risk": "medium"}}
        target.hold = asyncio.Event()
        edges = [("start", "gate"), ("start", "look"), ("gate", "join"), ("look", "join")]
        document = definition(gate, data("look", target), transform("join", 1), edges=edges)
        async with world.working():
            run_id = await world.start(world.published.publish(document), {})
            async with asyncio.timeout(30):
                while not target.calls or "gate" not in await world.steps(run_id):
                    await asyncio.sleep(0.01)
            assert (await world.get(run_id)).status == "running"
            await decide(world, run_id, "gate", "approved")
            target.hold.set()
            run = await world.until(run_id)
        assert (run.status, run.output) == ("completed", 1)

    async def test_a_child_runs_and_gives_its_output(self, world: World) -> None:
        child = world.published.publish(definition(transform("twice", "{{ input.n * 2 }}")))
        config = {"workflowId": ids.encode("wf", child), "input": {"n": "{{ input.n }}"}}
        parent = definition(
            {"key": "sub", "kind": "workflow", "config": config}, output="{{ steps.sub.output.output }}"
        )
        async with world.working():
            run = await world.until(await world.start(world.published.publish(parent), {"n": 21}))
            assert (run.status, run.output) == ("completed", 42)
            child_run = await world.get((await world.steps(run.run_id))["sub"].output["runId"])
        assert (child_run.parent_run_id, child_run.hop_count) == (run.run_id, 1)
