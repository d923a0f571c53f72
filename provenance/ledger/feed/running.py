"""The worker's side of the feed: notice what grew, and hand it to whoever listens.

A hint (or the sweep, every five seconds) puts a workspace on the agenda of visits. A visit finds out in one
transaction which handlers have rows there, and moves the cursors of the others past what is not theirs. Each
handler has a task and an agenda of its own, so one that fails or is slow holds up nobody else.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog
from sqlalchemy.exc import NoResultFound

from provenance.core.db import Database, ReadTx
from provenance.core.errors import Unavailable
from provenance.ledger.catalogue.cache import Catalogue, Catalogues
from provenance.ledger.feed import queries
from provenance.ledger.feed.agenda import Agenda
from provenance.ledger.feed.handing import WINDOW, describe, hand
from provenance.ledger.feed.handlers import Handler
from provenance.ledger.feed.hints import Hints

log: Any = structlog.get_logger("ledger.feed")

POLL_SECONDS = 5.0
VISIT_SECONDS = 0.1
"""A workspace is visited at most this often; the first hint after a pause is followed at once."""
QUIET_SECONDS = 0.5
"""And this often while nobody there waits for what comes."""
SWEPT = 1_000
AWAY_SECONDS = 2.0
FINISH_SECONDS = 10.0
"""How long the chunks in hand get to finish when the worker stops."""


class Feed:
    """Feeds handlers from every ledger of one database."""

    def __init__(self, db: Database, catalogues: Catalogues, hints: Hints, handlers: Iterable[Handler]) -> None:
        """Take the database, the words of each workspace, what is heard of new rows, and who listens."""
        self._db = db
        self._catalogues = catalogues
        self._hints = hints
        self._handlers = {handler.name: handler for handler in handlers}
        self._visits = Agenda()
        self._agendas = {name: Agenda() for name in self._handlers}
        self._unsure = asyncio.Event()
        self._stopping = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Feed until ``stop`` is set, then finish the chunks in hand. Waits for a database that is away."""
        hints = asyncio.create_task(self._hints.follow(self._visits.add, self._unsure.set), name="feed-hints")
        work = [
            asyncio.create_task(self._sweep_often(), name="feed-sweep"),
            asyncio.create_task(self._work_off(self._visits, self._visit), name="feed-visits"),
            *(
                asyncio.create_task(self._work_off(self._agendas[handler.name], self._feeder(handler)))
                for handler in self._handlers.values()
            ),
        ]
        try:
            await stop.wait()
        finally:
            await self._stop(hints, work)

    async def _stop(self, hints: asyncio.Task[None], work: list[asyncio.Task[None]]) -> None:
        self._stopping.set()
        hints.cancel()
        for agenda in (self._visits, *self._agendas.values()):
            agenda.close()
        _, late = await asyncio.wait(work, timeout=FINISH_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(hints, *work, return_exceptions=True)

    async def _work_off(self, agenda: Agenda, step: Callable[[uuid.UUID], Awaitable[None]]) -> None:
        while (workspace_id := await agenda.take()) is not None:
            if not await self._survive(step(workspace_id)):
                agenda.hold(workspace_id, AWAY_SECONDS)
                agenda.add(workspace_id)

    async def _sweep_often(self) -> None:
        beginning = [handler.name for handler in self._handlers.values() if handler.start == "now"]
        while not self._stopping.is_set() and not await self._survive(self._begin_now(beginning)):
            await self._pause(AWAY_SECONDS)
        while not self._stopping.is_set():
            self._unsure.clear()
            await self._survive(self._sweep())
            await self._first_of(self._stopping.wait(), self._unsure.wait(), seconds=POLL_SECONDS)

    async def _survive(self, step: Awaitable[None]) -> bool:
        """Run a step and tell whether it went well; a failure is logged, for the worker outlives its database."""
        try:
            await step
        except Unavailable:
            log.warning("database_away", retry_seconds=AWAY_SECONDS)
            await self._pause(AWAY_SECONDS)
        except Exception as error:
            log.error("feed_failed", error=describe(error))
        else:
            return True
        return False

    async def _begin_now(self, handlers: list[str]) -> None:
        for handler in handlers:
            async with self._db.housekeeping() as tx:
                await queries.start_now(tx, handler)

    async def _sweep(self) -> None:
        """Put every workspace with rows not handled yet on the agenda, a thousand workspaces at a time."""
        after: uuid.UUID | None = uuid.UUID(int=0)
        while after is not None and not self._stopping.is_set():
            async with self._db.housekeeping() as tx:
                found, after = await queries.behind(tx, list(self._handlers), after, SWEPT)
            for workspace_id in found:
                self._visits.add(workspace_id)

    async def _visit(self, workspace_id: uuid.UUID) -> None:
        """Wake the handlers that have rows in a workspace, and move the cursors of the others along."""
        try:
            await self._catalogues.of(workspace_id)  # kept in memory; what counts is read below
        except NoResultFound:
            return  # the hint came before the workspace did, or names none
        self._visits.hold(workspace_id, QUIET_SECONDS)
        head, cursors = await self._standing(workspace_id)
        late = [self._handlers[name] for name, number in cursors.items() if number < head]
        if not late:
            return
        async with self._db.housekeeping(workspace_id) as tx:
            catalogue = await self._catalogues.within(tx)  # after the highest number: no word is unknown
            wake = await self._waking(tx, late, self._passing(late, cursors, head, catalogue))
            moves = {
                handler.name: (cursors[handler.name], min(head, cursors[handler.name] + WINDOW))
                for handler in late
                if handler.name not in wake
            }
            if moves:
                await queries.pass_by(tx, moves)
        for name in wake:
            self._agendas[name].add(workspace_id)
        more = any(upto < head for _, upto in moves.values())
        if more:
            self._visits.add(workspace_id)
        if more or any(not self._handlers[name].rest for name in wake):
            self._visits.hold(workspace_id, VISIT_SECONDS)

    async def _standing(self, workspace_id: uuid.UUID) -> tuple[int, dict[str, int]]:
        """Return the highest number and every handler's cursor."""
        head, cursors = await queries.standing(self._db, workspace_id, list(self._handlers))
        if missing := [name for name in self._handlers if name not in cursors]:
            async with self._db.housekeeping(workspace_id) as tx:
                await queries.begin(tx, missing)
            head, cursors = await queries.standing(self._db, workspace_id, list(self._handlers))
        return head, cursors

    async def _waking(self, tx: ReadTx, late: list[Handler], passing: list[queries.Passing]) -> set[str]:
        """Return whom there is something for; whoever wants none of it need not be woken to say so."""
        wake = {handler.name for handler in late if handler.words is None}
        if passing:
            wake |= await queries.with_matches(tx, passing)
        for name in list(wake):
            wanted = self._handlers[name].wanted
            if wanted is not None and not await wanted(tx):
                wake.remove(name)
        return wake

    @staticmethod
    def _passing(
        late: list[Handler], cursors: dict[str, int], head: int, catalogue: Catalogue
    ) -> list[queries.Passing]:
        found = []
        for handler in late:
            match = None if handler.words is None else handler.match(catalogue)
            if match is not None:
                after = cursors[handler.name]
                found.append(queries.Passing(handler.name, after, min(head, after + WINDOW), match))
        return found

    def _feeder(self, handler: Handler) -> Callable[[uuid.UUID], Awaitable[None]]:
        agenda = self._agendas[handler.name]

        async def feed(workspace_id: uuid.UUID) -> None:
            started = time.monotonic()
            handed = await hand(self._db, self._catalogues, handler, workspace_id)
            if handed.backoff is not None:
                agenda.hold(workspace_id, handed.backoff)
            if handed.more or handed.backoff is not None:
                agenda.add(workspace_id)
            elif handed.rows and handler.rest:
                agenda.hold(workspace_id, handler.rest)
            if handed.rows:  # leave the processor to the server for a while
                await self._pause(min(0.1, max(0.005, (time.monotonic() - started) / 2)))

        return feed

    async def _pause(self, seconds: float) -> None:
        await self._first_of(self._stopping.wait(), seconds=seconds)

    @staticmethod
    async def _first_of(*waits: Awaitable[Any], seconds: float) -> None:
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
