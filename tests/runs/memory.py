"""A process that carries runs without a database: checkpoints are kept as rows, and it may be killed between them."""

import asyncio
import random
from typing import Any

from provenance.core.ids import new_uuid
from provenance.engine.schemas import Checkpoint, OpenWait, RunKey, State, StepRow
from provenance.runs.activity import from_text
from provenance.runs.doers import Call, Doers, Outside
from provenance.runs.drive import Drive
from provenance.runs.interpreting import Done, Failed, Park, Result
from provenance.runs.outbox import Outbox
from provenance.runs.running import About, Facts
from provenance.workflows.plan import Plan

Script = dict[tuple[str, int], list[str]]
"""What happens to each attempt of an outside step: ok, a failure's code, or crash (its worker is lost)."""


class Stored:
    """What a database would hold of one run."""

    def __init__(self) -> None:
        self.steps: dict[tuple[str, int, int], StepRow] = {}
        self.waits: dict[tuple[str, int], OpenWait] = {}
        self.entries: list[str] = []
        self.last: Checkpoint | None = None
        self.epoch = 0
        self.seq = 0

    def take(self, checkpoint: Checkpoint) -> None:
        for row in checkpoint.steps:
            self.steps[row.step_key, row.iteration, row.attempt] = row
        for key in checkpoint.closed:
            self.waits.pop(key, None)
        for wait in checkpoint.opened:
            self.waits[wait.step_key, wait.iteration] = OpenWait(*wait[:4], wait.seconds, wait.ref, False, None)
        for deed in checkpoint.deeds:
            assert deed.fact.repeat_key is not None
            if deed.fact.repeat_key not in self.entries:
                self.entries.append(deed.fact.repeat_key)
        self.last = checkpoint
        self.seq += 1


class _Scripted:
    def __init__(self, script: Script, done: list[str]) -> None:
        self._script = script
        self._done = done

    def waits(self, call: Call) -> Park | None:
        return None

    def resume(self, call: Call, outcome: Any) -> Result:
        raise AssertionError

    async def perform(self, call: Call) -> Result:
        await asyncio.sleep(0)
        acts = self._script.get((call.step.key, call.iteration), [])
        act = acts.pop(0) if acts else "ok"
        self._done.append(call.idempotency_key)
        if act == "ok":
            return Done({"key": call.step.key, "n": call.iteration})
        return Failed(act, "as the script says")


class Process:
    """Carries one run; `kill` forgets what is in memory."""

    inline_only = False

    def __init__(self, stored: Stored, doers: dict[str, Outside], ended: asyncio.Event, odds: random.Random) -> None:
        self.doers = Doers(doers)
        self._stored = stored
        self._ended = ended
        self._odds = odds
        self.kills = 0
        self.killed = asyncio.Event()

    def submit(self, drive: Drive, checkpoint: Checkpoint, out: Outbox) -> None:
        asyncio.get_running_loop().call_soon(self._commit, drive, checkpoint)

    def _commit(self, drive: Drive, checkpoint: Checkpoint) -> None:
        if drive.dead or drive.epoch != self._stored.epoch:
            return
        fate = self._odds.random() if self.kills else 1.0
        if fate < 0.15:  # lost before the commit
            self._kill(drive)
            return
        self._stored.take(checkpoint)
        if fate < 0.3 and checkpoint.state is not State.ENDED:  # committed, and lost before the answer
            self._kill(drive)
            return
        checkpoint.settle(True)

    def _kill(self, drive: Drive) -> None:
        self.kills -= 1
        drive.dead = True
        for task in list(drive._tasks):
            task.cancel()
        self.killed.set()

    def release(self, drive: Drive, checkpoint: Checkpoint) -> None:
        (self._ended if checkpoint.state is State.ENDED else self.killed).set()

    def turned_away(self, drive: Drive, outcome: Any) -> None:
        raise AssertionError(outcome)

    def crashed(self, drive: Drive, error: Exception) -> None:
        raise AssertionError from error

    def late(self, drive: Drive, activity: Any, result: Any) -> None:
        return

    async def evaluate(self, expression: Any, values: dict[str, Any]) -> Any:
        await asyncio.sleep(0)
        return expression.value(values)


async def carry(plan: Plan, given: Any, script: Script, *, kills: int = 0, seed: int = 0) -> tuple[Stored, list[str]]:
    """Carry a run to its end through as many lost processes; return what is stored, and the keys of what was done."""
    done: list[str] = []
    scripted = _Scripted(script, done)
    return await carry_with(plan, given, {"data": scripted, "action": scripted}, kills=kills, seed=seed), done


async def carry_with(plan: Plan, given: Any, doers: dict[str, Outside], *, kills: int = 0, seed: int = 0) -> Stored:
    """Carry a run to its end with these kinds; return what is stored."""
    stored, ended = Stored(), asyncio.Event()
    key = RunKey(new_uuid(), new_uuid())
    facts = Facts(key, new_uuid(), 1, "development", "manual", 0, About(plan.entry.key), given, 0, None)
    process = Process(stored, doers, ended, random.Random(seed))
    process.kills = kills
    while not ended.is_set():
        process.killed.clear()
        stored.epoch += 1
        drive = Drive(process, facts, plan, epoch=stored.epoch, seq=stored.seq)
        drive.load(list(stored.steps.values()), [wait._replace(left=0.0) for wait in stored.waits.values()])
        drive.advance()
        waits = [asyncio.ensure_future(each.wait()) for each in (ended, process.killed)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED, timeout=10)
        for wait in waits:
            wait.cancel()
        assert ended.is_set() or process.killed.is_set(), "the run stands still"
    return stored


def newest(stored: Stored) -> dict[tuple[str, int], StepRow]:
    """Return the newest attempt of each step and item."""
    found: dict[tuple[str, int], StepRow] = {}
    for row in sorted(stored.steps.values(), key=lambda row: row.attempt):
        found[row.step_key, row.iteration] = row
    return found


def outputs(stored: Stored) -> dict[str, Any]:
    """Return the status and output of each step."""
    return {
        key: (row.status, from_text(row.output)) for (key, iteration), row in newest(stored).items() if iteration == 0
    }
