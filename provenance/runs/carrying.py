"""Runs in a worker: claims what is ready, carries it on, gives up what it lost (spec/engine.md)."""

import asyncio
import contextlib
import uuid
from typing import Any, TypeVar

import structlog

from provenance.core.db import AWAY
from provenance.core.errors import Unavailable
from provenance.engine.dispatch import Dispatch
from provenance.engine.running import CHANNEL
from provenance.engine.schemas import Checkpoint, Claimed, OpenWait, RunKey, State, Status, StepRow
from provenance.runs import telling
from provenance.runs.doers import BASE_KINDS
from provenance.runs.drive import Drive
from provenance.runs.gates import Overtaken
from provenance.runs.hosting import Hosting
from provenance.runs.interpreting import Failed, Verdict
from provenance.runs.lease import Lease
from provenance.runs.library import Library
from provenance.runs.outputs.service import Outputs
from provenance.runs.rounds import Rounds
from provenance.runs.running import facts_of

log: Any = structlog.get_logger("runs")

CLAIMED_AT_ONCE = 250
TICK_SECONDS = 0.5
AWAY_SECONDS = 0.5
TAKEOVERS = 5
_AWAY = (Unavailable, *AWAY)


class Carrier(Hosting):
    """One worker's runs: at most ``slots`` in memory; each is in the database as of its last checkpoint."""

    def __init__(self, *arguments: Any, library: Library, outputs: Outputs, dispatch: Dispatch, slots: int) -> None:
        """Take what `Hosting` takes, where plans and large outputs are, and this worker's side of the run table."""
        super().__init__(*arguments)
        self._library = library
        self._outputs = outputs
        self._dispatch = dispatch
        self._slots = slots
        self._drives: dict[RunKey, Drive] = {}
        self._deadlines: dict[RunKey, float] = {}
        self._lease = Lease(dispatch)
        self._rounds = Rounds(dispatch)
        self._looked = float("-inf")
        self._strays = False

    async def run(self, stop: asyncio.Event) -> None:
        """Carry runs on until ``stop`` is set; then hand back what is in hand."""
        ring = self._rounds.ring.set
        hints = self.engine.ledger.hints.follow(lambda _: ring(), ring, CHANNEL)
        unwatch = self.engine.watch(lambda _: ring())
        beside = [asyncio.create_task(work) for work in (hints, self._lease.keep(self._lose_all), self._keep_ticking())]
        try:
            while not stop.is_set():
                await self._survive(stop)
        finally:
            unwatch()
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await self._hand_back()

    def release(self, drive: Any, checkpoint: Checkpoint) -> None:
        """Forget a run that ended or parked."""
        self._forget(drive)

    def turned_away(self, drive: Any, outcome: bool | BaseException) -> None:
        """Look whose the run is."""
        if isinstance(outcome, Overtaken):
            self._give_back(drive)  # what is in memory is not what is stored: it is built anew
        else:
            self.aside(self._settle_doubt(drive, wait=isinstance(outcome, BaseException)))

    def crashed(self, drive: Any, error: Exception) -> None:
        """Give the run back; each time counts as a take-over, so that one that always crashes ends as poison."""
        log.error("run_crashed", run=str(drive.facts.key.run_id), exc_info=error)
        self._give_back(drive)

    # Claiming

    async def _survive(self, stop: asyncio.Event) -> None:
        """Do one round; a failure is logged, for the worker outlives its database.

        Whatever failed may have left runs under this worker's name that it does not hold: they are looked for.
        """
        try:
            rang = await self._rounds.begin()
            await self._lease.begin()
            await self._look_after_others()
            more = rang and await self._claim()  # what somebody rang for comes before what may be due
            ahead = await self._rounds.make_ready()
            if not (rang and ahead):
                more = await self._claim()
            if not more:
                await self._rounds.pause(stop, ahead)
        except _AWAY as error:
            self._strays = True
            log.warning("database_away", error=type(error).__name__, retry_seconds=AWAY_SECONDS)
            await self._dispatch.forget()
            await asyncio.sleep(AWAY_SECONDS)
        except Exception:
            self._strays = True
            log.exception("claiming_failed")
            await asyncio.sleep(AWAY_SECONDS)

    async def _look_after_others(self) -> None:
        """Queue the runs of silent workers, and those that stand under this worker's name by mistake."""
        now = asyncio.get_running_loop().time()
        due = now - self._looked >= self._dispatch.lease_seconds / 4
        if due or self._strays:
            self._strays = False
            if strays := await self._dispatch.hand_back_others(list(self._drives)):
                log.warning("runs_handed_back", runs=strays)
        if due:
            self._looked = now
            await self._dispatch.take_over()

    async def _claim(self) -> bool:
        """Take what is ready; tell whether there may be more."""
        free = min(self._slots - len(self._drives), CLAIMED_AT_ONCE)
        if free <= 0 or not self._lease.in_time:
            return False
        claimed = await self._dispatch.claim(free, [*BASE_KINDS, *self.doers.kinds])
        if claimed:
            await self._take(claimed)
        return len(claimed) == free

    async def _take(self, claimed: list[Claimed]) -> None:
        unknown = [RunKey(row.workspace_id, row.id) for row in claimed if row.begun and row.stored is None]
        steps, waits = await self._dispatch.stored(unknown)
        steps_of, waits_of = _by_run(steps), _by_run(waits)
        for row in claimed:
            try:
                await self._take_one(row, *(row.stored or (steps_of.get(row.id, []), waits_of.get(row.id, []))))
            except _AWAY:
                raise
            except Exception as error:  # the others of its group are not to suffer
                log.error("run_untakable", run=str(row.id), exc_info=error)
                self._give_up(row)

    async def _take_one(self, row: Claimed, steps: list[StepRow], waits: list[OpenWait]) -> None:
        await self._gate.ready(row.workspace_id)
        steps = await self._outputs.whole(row.workspace_id, steps)
        drive = await self._drive(row)
        if drive is None:
            log.error("version_unreadable", run=str(row.id), workflow=str(row.workflow_id), version=row.version)
            self._give_up(row)
            return
        drive.load(steps, waits)
        self._drives[drive.facts.key] = drive
        self._deadlines[drive.facts.key] = asyncio.get_running_loop().time() + row.left
        if row.takeovers or drive.has_open_waits:
            why = "takeover" if row.takeovers else "woken"
            drive.out.deeds.append(telling.resumed(drive.facts, row.epoch, why))
        self._set_going(drive, row)

    async def _drive(self, row: Claimed) -> Drive | None:
        plan = await self._library.plan(row.workspace_id, row.workflow_id, row.version)
        if plan is None:
            return None
        return Drive(self, facts_of(row), plan, epoch=row.epoch, seq=row.seq, signal=row.signal)

    def _give_up(self, row: Claimed) -> None:
        """End a run that can't be read, itself or its version: nothing of it can be carried on."""
        error = Failed("version_unreadable", "The run, or the version that it is of, can't be read.").error()
        key = RunKey(row.workspace_id, row.id)
        checkpoint = Checkpoint(key, row.epoch, row.seq, row.signal, State.ENDED, Status.FAILED)
        telling.end_run(checkpoint, Verdict("failed", error=error), row.started_at, row.parent_token)
        self.engine.submit(checkpoint)

    def _set_going(self, drive: Drive, row: Claimed) -> None:
        if row.takeovers >= TAKEOVERS:
            message = f"{row.takeovers} workers were lost while they carried this run, without one step ending."
            drive.overrule(Verdict("failed", error=Failed("poison_run", message).error()))
        elif row.left <= 0:
            drive.time_out("The run took longer than it may, not counting the time it waited for people.")
        else:
            drive.advance()

    # Runs that stay

    async def _keep_ticking(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                await self._tick()
            except _AWAY:
                await self._dispatch.forget()
            except Exception:
                log.exception("tick_failed")

    async def _tick(self) -> None:
        """See to runs that stay in memory for long: their time, their timers, what others did to them."""
        now = asyncio.get_running_loop().time()
        for key, drive in list(self._drives.items()):
            if self._deadlines[key] <= now:
                drive.time_out("The run took longer than it may, not counting the time it waited for people.")
            elif drive.idle or (drive.next_due is not None and drive.next_due <= now):
                drive.advance()  # an idle one is in doubt: what it asks again is fenced if it was answered
        held = list(self._drives.items())
        standing = await self._dispatch.standing([key for key, _ in held]) if held else {}
        for key, drive in held:
            row = standing.get(key.run_id)
            if self._drives.get(key) is not drive or drive.sent is not None:
                continue
            if row is None or row.epoch != drive.epoch or row.state != State.RUNNING:
                self._lose(drive)
            elif row.signal != drive.signal:
                await self._look_again(drive, row.signal)

    # Whose it is

    async def _settle_doubt(self, drive: Drive, *, wait: bool) -> None:
        """Find out what became of a checkpoint that was turned away, and whether the run is still ours."""
        key = drive.facts.key
        while self._drives.get(key) is drive:
            if wait:
                await asyncio.sleep(AWAY_SECONDS)
            try:
                row = (await self._dispatch.standing([key])).get(key.run_id)
                if row is None or row.epoch != drive.epoch or row.state != State.RUNNING:
                    log.info("run_fenced", run=str(key.run_id), epoch=drive.epoch)
                    self._lose(drive)
                elif row.seq != drive.seq:  # a commit whose answer was lost: what is in memory is behind
                    self._give_back(drive)
                else:
                    await self._look_again(drive, row.signal)
                return
            except _AWAY:
                await self._dispatch.forget()
                wait = True
            except Exception as error:
                self.crashed(drive, error)

    async def _look_again(self, drive: Drive, signal: int) -> None:
        _, waits = await self._dispatch.stored([drive.facts.key])
        drive.signal = signal
        drive.look(waits)
        drive.advance()

    def _lose(self, drive: Drive) -> None:
        self._forget(drive)
        drive.abandon()

    def _lose_all(self) -> None:
        """Stop every run: this worker was not heard for so long that others may have taken them."""
        if self._drives:
            log.warning("lease_lost", runs=len(self._drives))
        for drive in list(self._drives.values()):
            self._give_back(drive)

    def _give_back(self, drive: Drive) -> None:
        """Forget a run that may still stand under this worker's name; the next round queues it if it does."""
        self._lose(drive)
        self._strays = True
        self._rounds.ring.set()

    def _forget(self, drive: Drive) -> None:
        if self._drives.get(drive.facts.key) is drive:
            del self._drives[drive.facts.key]
            del self._deadlines[drive.facts.key]
            if len(self._drives) == self._slots - 1:
                self._rounds.ring.set()

    async def _hand_back(self) -> None:
        for drive in list(self._drives.values()):
            drive.abandon()
        with contextlib.suppress(*_AWAY):
            await self._dispatch.leave()
        await self.settle_aside()
        await self._dispatch.forget()


_Row = TypeVar("_Row", StepRow, OpenWait)


def _by_run(rows: list[_Row]) -> dict[uuid.UUID, list[_Row]]:
    found: dict[uuid.UUID, list[_Row]] = {}
    for row in rows:
        found.setdefault(row.run_id, []).append(row)
    return found
