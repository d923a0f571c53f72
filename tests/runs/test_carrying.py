"""Runs from start to end, in the server and in a worker, against a real database."""

from tests.runs.conftest import World, definition, transform


class TestPureRuns:
    async def test_one_of_pure_steps_ends_without_a_worker(self, world: World) -> None:
        workflow = world.published.publish(
            definition(transform("double", {"n": "{{ input.n * 2 }}"}), transform("more", "{{ steps.double.output.n + 1 }}"))
        )
        run = await world.until(await world.start(workflow, {"n": 4}))
        assert (run.status, run.output, run.error) == ("completed", 9, None)
        assert run.step_counts == {"succeeded": 3}
        steps = await world.steps(run.run_id)
        assert [(each.step_id, each.status) for each in steps.values()] == [
            ("0001_st_trigger", "succeeded"),
            ("0002_st_logic", "succeeded"),
            ("0003_st_logic", "succeeded"),
        ]
        assert steps["double"].output == {"n": 8}
