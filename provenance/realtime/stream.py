"""One workspace as it is watched: the process's only reader of its feed, and those who listen.

`read` hands out what lies beyond a number to those who catch up, at their own pace; who has reached the reader's
position joins it, and from then on hears each row in the tick in which it was read.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Hashable, Sequence
from typing import Any, Protocol

import structlog

from provenance.core.errors import Unavailable
from provenance.ledger.catalogue.cache import Catalogue
from provenance.ledger.interactions import scanning
from provenance.ledger.interactions.scanning import Wanted
from provenance.ledger.service import Ledger
from provenance.realtime import queries
from provenance.realtime.events import Event
from provenance.realtime.inboxes import INBOX, Inboxes
from provenance.realtime.queries import Row
from provenance.realtime.schemas import Frame, control
from provenance.realtime.selecting import Batch, Selected, Selector, name_workflows

ROWS = 1_000
"""Rows read at once."""
TICK_SECONDS = 0.02
POLL_SECONDS = 1.0
"""How long a lost hint can hold up a row."""
HEAD_SECONDS = 0.2
"""Least time between two looks for a signed head."""
AWAY_SECONDS = 1.0

log: Any = structlog.get_logger("realtime")


class Listener(Protocol):
    """Who hears the rows as they are read."""

    @property
    def selectors(self) -> Sequence[Selector]:
        """What it listens to now, without what it still catches up with."""
        ...

    def hear(self, selected: Sequence[Selected], upto: int) -> None:
        """Take the frames of a batch, one `Selected` for each of `selectors`; must not wait."""
        ...

    def hear_head(self, frame: Frame) -> None:
        """Take the frame of a newly signed head."""
        ...


class Stream:
    """The reader of one workspace. ``position`` is the number up to which every row was handed out."""

    def __init__(self, ledger: Ledger, workspace_id: uuid.UUID) -> None:
        """Take the ledger and the workspace; nothing is read before `start`."""
        self._ledger, self.workspace_id = ledger, workspace_id
        self._listeners: dict[Listener, None] = {}
        self._grew = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._told_size: int | None = None
        self._looked_at_head = 0.0
        self._inboxes = Inboxes(ledger, workspace_id)
        self.position = 0

    async def start(self) -> None:
        """Begin at the newest row. Raises Unavailable."""
        async with self._ledger.db.housekeeping(self.workspace_id) as tx:
            self.position = await queries.head(tx)
        self._task = asyncio.create_task(self._run(), name="realtime-stream")

    async def stop(self) -> None:
        """Read no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def grew(self) -> None:
        """Look for new rows now."""
        self._grew.set()

    async def now(self) -> int:
        """Return the number from which on a new listener hears everything. Raises Unavailable."""
        if self._is_heard():
            return self.position
        async with self._ledger.db.housekeeping(self.workspace_id) as tx:
            head = await queries.head(tx)
        return max(head, self.position)

    def join(self, listener: Listener, after: int) -> None:
        """Let a listener hear the rows after a number, which must not lie before the reader's position."""
        assert after >= self.position, "who is behind catches up first"
        if not self._is_heard():
            self.position = after  # nobody heard anything lately: there is nothing in between to be handed out
        self._listeners[listener] = None
        self._grew.set()

    def leave(self, listener: Listener) -> None:
        """Let a listener hear nothing more."""
        self._listeners.pop(listener, None)

    async def read(self, selectors: Sequence[Selector], after: int) -> Batch | None:
        """Return the next rows beyond a number that these selectors may want; None when the ledger is not as long.

        What a filter's indexes know is left to the list's own search, so that a long way back is a short one.
        Raises Unavailable.
        """
        catalogue = await self._ledger.catalogues.of(self.workspace_id)
        narrow = selectors[0].criteria(catalogue) if len(selectors) == 1 else None
        async with self._ledger.db.housekeeping(self.workspace_id) as tx:
            head = await queries.head(tx)
            if after > head:
                return None
            if narrow is not None and narrow.impossible:
                rows, upto = [], head
            elif narrow is None:
                platform_only = all(selector.platform_only for selector in selectors)
                rows = await queries.after(tx, after, ROWS, platform_only=platform_only)
                upto = max(rows[-1].number if rows else 0, head) if len(rows) < ROWS else rows[-1].number
            else:
                way = Wanted(newest_first=False, after=(0, after), skip=0, rows=ROWS, counting=False)
                found = await scanning.find(tx, narrow, way, None, sees_platform=selectors[0].whole)
                rows = await queries.numbered(tx, [number for _, number in found.keys])
                reached = found.last[1] if found.last is not None else after
                upto = max(reached, head) if found.ended else reached
        return await self._batch(rows, upto, catalogue, selectors, at_end=upto >= head)

    async def select(self, selector: Selector, batch: Batch) -> Selected:
        """Return the frames of a batch that one selector is to get."""
        return await selector.select(self._ledger.db, self._ledger.catalogues, batch)

    async def _batch(
        self, rows: list[Row], upto: int, catalogue: Catalogue, selectors: Sequence[Selector], *, at_end: bool
    ) -> Batch:
        if not _knows(catalogue, rows):
            catalogue = await self._ledger.catalogues.refreshed(self.workspace_id)
        events = [Event(row, catalogue) for row in rows]
        if any(selector.channel.by_workflow for selector in selectors):
            await name_workflows(self._ledger.db, self.workspace_id, events)
        return Batch(events, catalogue, upto, at_end)

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):  # not wait_for, which may swallow the end when a hint comes with it
                async with asyncio.timeout(POLL_SECONDS):
                    await self._grew.wait()
            self._grew.clear()
            try:
                if await self._advance():
                    self._grew.set()
                await self._tell_head()
                await self._tell_people()
            except Unavailable:
                await asyncio.sleep(AWAY_SECONDS)
            except Exception as error:
                log.error("stream_failed", workspace_id=str(self.workspace_id), error=type(error).__name__)
                await asyncio.sleep(AWAY_SECONDS)
            await asyncio.sleep(TICK_SECONDS)

    async def _advance(self) -> bool:
        """Hand the next rows to everybody; tell whether there may be more at once."""
        selectors = self._selectors()
        if not selectors:
            return False
        platform_only = all(selector.platform_only for selector in selectors.values())
        async with self._ledger.db.housekeeping(self.workspace_id) as tx:
            head = await queries.head(tx) if platform_only else 0
            rows = await queries.after(tx, self.position, ROWS, platform_only=platform_only)
        full = len(rows) == ROWS
        upto = rows[-1].number if full else max(head, rows[-1].number if rows else self.position)
        if upto == self.position:
            return False
        catalogue = await self._ledger.catalogues.of(self.workspace_id)
        batch = await self._batch(rows, upto, catalogue, list(selectors.values()), at_end=not full)
        return await self._hand_out(batch, platform_only) and full

    async def _hand_out(self, batch: Batch, platform_only: bool) -> bool:
        """Let everybody hear a batch; False, and nothing handed out, when it lacks rows that are wanted by now."""
        answers: dict[Hashable, Selected] = {}
        while missing := [each for key, each in self._selectors().items() if key not in answers]:
            for selector in missing:
                if platform_only and not selector.platform_only:
                    self._grew.set()
                    return False
                answers[selector.key] = await self.select(selector, batch)
        # Nothing is waited for from here on, so that whoever joins meanwhile joins before this batch or after it.
        self.position = batch.upto
        for listener in list(self._listeners):
            listener.hear([answers[selector.key] for selector in listener.selectors], batch.upto)
        return True

    def _is_heard(self) -> bool:
        return any(each.selectors for each in self._listeners)

    def _selectors(self) -> dict[Hashable, Selector]:
        return {selector.key: selector for listener in self._listeners for selector in listener.selectors}

    async def _tell_head(self) -> None:
        """Tell those who listen to the log of a head that was signed since the last one."""
        to = [each for each in self._listeners if any(s.channel.name == "log" for s in each.selectors)]
        if not to:
            self._told_size = None
            return
        if time.monotonic() - self._looked_at_head < HEAD_SECONDS:
            return
        self._looked_at_head = time.monotonic()
        async with self._ledger.db.housekeeping(self.workspace_id) as tx:
            signed = await queries.signed(tx)
        if signed is None or signed[0] == self._told_size:
            return
        self._told_size = signed[0]
        workspace = (await self._ledger.catalogues.of(self.workspace_id)).workspace
        data = {"size": signed[0], "root": signed[1].hex()}
        frame = control("log.checkpoint", channel="log", seq=None, workspaceId=workspace, data=data)
        for listener in to:
            listener.hear_head(frame)

    async def _tell_people(self) -> None:
        """Tell those who listen to their inbox what came into it; each hears of their own alone."""
        listening: dict[uuid.UUID, list[Listener]] = {}
        for listener in self._listeners:
            for selector in listener.selectors:
                if selector.channel.name == INBOX and selector.actor.person is not None:
                    listening.setdefault(selector.actor.person, []).append(listener)
        for person_id, frame in await self._inboxes.look(listening.keys()):
            for listener in listening[person_id]:
                listener.hear_head(frame)


def _knows(catalogue: Catalogue, rows: Sequence[Row]) -> bool:
    words = {word for row in rows for word in (row.resource_type_id, row.action_id, row.origin_id)}
    return all(catalogue.with_id(word) is not None for word in words)
