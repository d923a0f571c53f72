"""Every write that any test makes over HTTP, held against the records it must leave (DESIGN section 6).

The run's servers note each request that is not a read. After a module's last test what the ledger holds of those
requests is compared with `tests.conventions.records`: a write that succeeded left exactly its record, one that was
refused left none but the refusal's.
"""

import contextlib
import json
import os
from collections.abc import Iterable
from typing import Any, NamedTuple

import asyncpg
import msgspec

from provenance.core.db import asyncpg_dsn
from provenance.core.door import AsgiScope, Door, Receive, Send
from provenance.core.ids import new_uuid_text
from tests.conventions.records import LEFT, MANY, NO_WRITE, REFUSALS, UNCHANGED, Record

_HOT = {
    "/api/interactions": "interactions.create",
    "/api/interactions/batch": "interactions.create_batch",
    "/platform/queue/messages": "queue.push",
    "/runs": "runs.create",
}
"""What is answered before the framework, by path."""
READS = ("GET", "HEAD", "OPTIONS")


class Seen(NamedTuple):
    """One request that was answered: what it asked for, how it was answered, under which id."""

    operation: str
    status: int
    request_id: str
    replayed: bool


seen: dict[str, list[Seen]] = {}
"""The requests of the servers of this process that nobody has judged yet, by their database."""
_since = new_uuid_text()
"""An id that is smaller than those of all rows that nobody has judged yet."""


class _Watched(Door):
    """A door that notes the writes which go through it."""

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        status, replayed = 0, False

        async def note(message: Any) -> None:
            nonlocal status, replayed
            if message["type"] == "http.response.start":
                status = message["status"]
                replayed = any(name.lower() == b"idempotency-replayed" for name, _ in message["headers"])
            await send(message)

        await super().__call__(scope, receive, note)
        if scope["type"] == "http" and scope["method"] not in READS and status:
            route = scope.get("route")
            operation = getattr(route, "operation_id", None) or _HOT.get(scope.get("route_path"), "unknown")
            request_id = scope["exchange"].request_id
            seen.setdefault(self._database(), []).append(Seen(operation, status, request_id, replayed))

    def _database(self) -> str:
        url: str = self.framework.state.ledger.db.url
        return url


def watch(door: Door) -> None:
    """Note the writes that go through a door from now on."""
    door.__class__ = _Watched


async def astray() -> list[str]:
    """Return a sentence for each noted write whose records are not what they must be.

    Databases that are gone are left out.
    """
    global _since
    found: list[str] = []
    since, _since = _since, new_uuid_text()
    while seen:
        database_url, noted = seen.popitem()
        with contextlib.suppress(asyncpg.InvalidCatalogNameError):
            found += _judged(noted, await _left(database_url, since))
    return found


def _judged(noted: Iterable[Seen], left: dict[str, list[str]]) -> Iterable[str]:
    for each in noted:
        events = tuple(sorted(left.get(each.request_id, ())))
        if each.status < 300 and not each.replayed:
            _observe(each.operation, events)
        if not _is_right(each, events):
            yield f"{each.operation}, answered {each.status}, left {events or 'nothing'}"


def _is_right(each: Seen, events: Record) -> bool:
    if each.status >= 300 or each.replayed:
        allowed = (*REFUSALS.get(each.operation, ()), "authz.denied")
        return all(event in allowed for event in events)
    if not events:
        return each.operation in UNCHANGED or each.operation in NO_WRITE
    record = tuple(dict.fromkeys(events)) if each.operation in MANY else events
    return record in LEFT.get(each.operation, ())


async def _left(database_url: str, since: str) -> dict[str, list[str]]:
    """Return the platform events of each request, from all rows made after an id whose content is there."""
    connection = await asyncpg.connect(asyncpg_dsn(database_url))
    try:
        rows = await connection.fetch(_ROWS, since)
    finally:
        await connection.close()
    left: dict[str, list[str]] = {}
    for row in rows:
        links = msgspec.json.decode(row["content"]).get("links", ())
        request_id = next((link["requestId"] for link in links if "requestId" in link), None)
        if request_id is not None:
            left.setdefault(request_id, []).append(row["event"])
    return left


def _observe(operation: str, events: Record) -> None:
    """Write down what was seen, where somebody asks for it, to see what the suite covers."""
    if path := os.environ.get("PROVENANCE_TEST_RECORDS"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps([operation, events]) + "\n")


_ROWS = """SELECT lower(r.mnemonic || '.' || a.mnemonic) AS event, i.content FROM interactions i
  JOIN catalogue r ON r.workspace_id = i.workspace_id AND r.id = i.resource_type_id
  JOIN catalogue a ON a.workspace_id = i.workspace_id AND a.id = i.action_id
 WHERE i.platform AND i.content IS NOT NULL AND i.id > $1::uuid"""
