"""The live side of one process: its streams, its connections, and the watch over who may still listen."""

import asyncio
import time
import uuid
from collections import Counter
from dataclasses import replace
from typing import Any

import structlog

from provenance.core.actor import Actor, Kind, Role
from provenance.core.errors import Unavailable
from provenance.identity.access.epoch import FRESH_SECONDS, Epoch
from provenance.ledger.service import Ledger
from provenance.realtime import queries
from provenance.realtime.errors import CredentialEnded, ServerStopping, TooManyConnections
from provenance.realtime.line import Encode, End, Line
from provenance.realtime.logs import Followed, Logs
from provenance.realtime.outbox import Write
from provenance.realtime.queries import Standing
from provenance.realtime.selecting import Selected
from provenance.realtime.stream import Stream

WATCH_SECONDS = 0.2
POSITION_SECONDS = 15.0
"""How often a connection that got nothing is told how far it is."""

log: Any = structlog.get_logger("realtime")


class Hub:
    """Everything live in one process."""

    def __init__(self, ledger: Ledger, epoch: Epoch, *, most_connections: int) -> None:
        """Take the ledger, the epoch of access, and how many connections one key or person may hold (0: any)."""
        self.ledger, self._epoch, self._most = ledger, epoch, most_connections
        self._streams: dict[uuid.UUID, Stream] = {}
        self._lines: dict[Line, Stream] = {}
        self._watching: Counter[Stream] = Counter()
        self._logs = Logs(ledger, self._hand_out_log)
        self._opening = asyncio.Lock()
        self._held: Counter[str] = Counter()
        self._tasks: list[asyncio.Task[None]] = []
        self._seen_epoch, self._checked = -1, 0.0

    def start(self) -> None:
        """Listen to the ledgers, and watch over the connections."""
        hints = self.ledger.hints.follow(self._grew, self._any_grew)
        self._tasks = [
            asyncio.create_task(hints, name="realtime-hints"),
            asyncio.create_task(self._watch(), name="realtime-watch"),
        ]

    async def stop(self) -> None:
        """End every connection that is still there, and read no more."""
        for line in list(self._lines):
            line.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._logs.stop()
        for stream in self._streams.values():
            await stream.stop()

    def __len__(self) -> int:
        """How many connections there are."""
        return len(self._lines)

    def leave(self) -> None:
        """Tell every connection that this process goes away; a client comes back to another, or to the next one."""
        for line in list(self._lines):
            line.end(ServerStopping("The server is stopping. Connect again and resume."))

    async def open(self, actor: Actor, *, expires: float, write: Write, encode: Encode, end: End) -> Line:
        """Open a connection. Raises TooManyConnections and Unavailable."""
        if self._most and self._held[actor.id] >= self._most:
            raise TooManyConnections(f"At most {self._most:,} live connections for one key or person.")
        self._held[actor.id] += 1
        try:
            stream = await self._stream(actor.workspace_id)
            line = Line(stream, actor, expires=expires, write=write, encode=encode, end=end)
            self._lines[line] = stream
            self._watching[stream] += 1
        except BaseException:
            self._forget(actor)
            raise
        return line

    async def release(self, line: Line) -> None:
        """Close a connection; a workspace that nobody watches any more is not read."""
        line.close()
        line.outbox.close()
        stream = self._lines.pop(line)
        self._forget(line.actor)
        self._watching[stream] -= 1
        if self._watching[stream]:
            return
        del self._watching[stream]
        if self._streams.get(stream.workspace_id) is stream:
            del self._streams[stream.workspace_id]
            await stream.stop()

    async def _stream(self, workspace_id: uuid.UUID) -> Stream:
        async with self._opening:
            found = self._streams.get(workspace_id)
            if found is None:
                found = Stream(self.ledger, workspace_id)
                await found.start()
                self._streams[workspace_id] = found
            return found

    def _forget(self, actor: Actor) -> None:
        self._held[actor.id] -= 1
        if not self._held[actor.id]:
            del self._held[actor.id]

    def _grew(self, workspace_id: uuid.UUID) -> None:
        stream = self._streams.get(workspace_id)
        if stream is not None:
            stream.grew()

    def _any_grew(self) -> None:
        for stream in self._streams.values():
            stream.grew()

    async def _watch(self) -> None:
        told = time.monotonic()
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            self._logs.tend(
                Followed(stream.workspace_id, run_id) for line, stream in self._lines.items() for run_id in line.runs
            )
            try:
                await self._end_what_ended()
            except Unavailable:
                log.debug("standing_unknown")
            except Exception as error:
                log.error("watch_failed", error=type(error).__name__)
            if time.monotonic() - told > POSITION_SECONDS:
                told = time.monotonic()
                for line in list(self._lines):
                    line.tell_position()

    def _hand_out_log(self, run: Followed, selected: Selected) -> None:
        for line, stream in self._lines.items():
            if run.run_id in line.runs and stream.workspace_id == run.workspace_id:
                line.hear_aside(selected)

    async def _end_what_ended(self) -> None:
        """End the connections whose credential ran out or was taken away, and narrow those who may do less now."""
        now = time.time()
        for line in [line for line in self._lines if line.expires <= now]:
            line.end(CredentialEnded("The token ran out. Renew a connection by the action auth before."))
        for line in [line for line in self._lines if line.is_slow]:
            await line.give_up()
        number, stale = self._epoch.number, time.monotonic() - self._epoch.asked > FRESH_SECONDS
        if number == self._seen_epoch and not (stale and time.monotonic() - self._checked > FRESH_SECONDS):
            return
        await self._check(list(self._lines))
        self._seen_epoch, self._checked = number, time.monotonic()

    async def _check(self, lines: list[Line]) -> None:
        """Ask once for all of them who they are now."""
        people = {_standing(line.actor) for line in lines if line.actor.kind is Kind.PERSON}
        machines = {_key_id(line.actor) for line in lines if line.actor.kind is Kind.KEY}
        if not lines:
            return
        async with self.ledger.db.housekeeping() as tx:
            standings = await queries.standings(tx, list(people))
            keys = await queries.keys(tx, list(machines))
        for line in lines:
            actor = line.actor
            if actor.kind is Kind.KEY:
                scopes = keys.get(_key_id(actor))
                now = None if scopes is None else replace(actor, scopes=scopes)
            else:
                row = standings.get(_standing(actor))
                now = row and replace(actor, role=Role[row.role.upper()], groups=frozenset(row.groups))
            if now is None:
                line.end(CredentialEnded("The credential was revoked, or the session or membership ended."))
            else:
                line.change_actor(now)


def _standing(actor: Actor) -> Standing:
    assert actor.session is not None, "a person has a session"
    assert actor.person is not None, "a person is one"
    return actor.session, actor.person, actor.workspace_id


def _key_id(actor: Actor) -> str:
    return actor.id.removeprefix("key_")
