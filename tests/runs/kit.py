"""For whoever brings a kind of step: what it declares and what it does, tried without a server or a database.

    kit = Kit(Ping(), PingDoer())
    run = await kit.run({"host": "{{ input.host }}"}, {"host": "a"})
    assert run.output == {"alive": True}
    await kit.survives({"host": "a"})

`run` carries a workflow of one step to its end. `survives` does so again and again through lost processes, and checks
what every kind owes: one outcome, one record of it, the same idempotency key each time.
"""

from typing import Any, NamedTuple

from provenance.runs.activity import from_text
from provenance.runs.doers import Call, Outside
from provenance.runs.interpreting import Park, Result
from provenance.workflows.compiling import check, compile_definition
from provenance.workflows.kinds import KINDS, StepKind
from tests.runs.memory import Stored, carry_with, newest
from tests.runs.published import definition

SEEDS = range(12)
LOSSES = 4


class Tried(NamedTuple):
    """How a run of one step ended: its status, the step's output and error, how often it was tried."""

    status: str
    output: Any
    error: dict[str, Any] | None
    attempts: int


class Kit:
    """Tries one kind of step with the thing that carries it out."""

    def __init__(self, kind: StepKind, doer: Outside) -> None:
        self.kind = kind
        self.doer = doer
        self.kinds = {**KINDS, kind.name: kind}

    def problems(self, config: dict[str, Any], **step: Any) -> list[tuple[str, str]]:
        """Return what is wrong with a configuration, as place and code."""
        found = check(self._document(config, step), self.kinds).problems
        return [(each.path, each.code) for each in found]

    async def run(self, config: dict[str, Any], given: Any = None, **step: Any) -> Tried:
        """Carry a run of the step to its end; ``step`` are members beside its configuration, such as ``retry``."""
        plan = compile_definition(self._document(config, step), self.kinds)
        return self._tried(await carry_with(plan, given or {}, {self.kind.name: self.doer}))

    async def survives(self, config: dict[str, Any], given: Any = None, **step: Any) -> None:
        """Lose the process at every kind of moment; the step must end as without, and be recorded once."""
        plan = compile_definition(self._document(config, step), self.kinds)
        calm = await self.run(config, given, **step)
        watched = _Watched(self.doer)
        for seed in SEEDS:
            watched.keys.clear()
            doers: dict[str, Outside] = {self.kind.name: watched}
            stored = await carry_with(plan, given or {}, doers, kills=LOSSES, seed=seed)
            found = self._tried(stored)
            assert (found.status, found.output) == (calm.status, calm.output), f"seed {seed}: {found}"
            assert len(stored.entries) == len(set(stored.entries)), f"seed {seed}: recorded twice"
            assert len(watched.keys) == 1, f"seed {seed}: several keys: {watched.keys}"

    def _document(self, config: dict[str, Any], step: dict[str, Any]) -> dict[str, Any]:
        return definition({"key": "tried", "kind": self.kind.name, "config": config, **step})

    def _tried(self, stored: Stored) -> Tried:
        assert stored.last is not None
        row = newest(stored)["tried", 0]
        return Tried(stored.last.status.value, from_text(row.output), from_text(row.error), row.attempt)


class _Watched:
    """Passes everything on, and notes under which keys something was done."""

    def __init__(self, doer: Outside) -> None:
        self._doer = doer
        self.keys: set[str] = set()

    def waits(self, call: Call) -> Park | None:
        return self._doer.waits(call)

    async def perform(self, call: Call) -> Result:
        self.keys.add(call.idempotency_key)
        return await self._doer.perform(call)

    def resume(self, call: Call, outcome: Any) -> Result:
        return self._doer.resume(call, outcome)
