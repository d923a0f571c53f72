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
from tests.conventions.records import AFTERWARDS, LEFT, REFUSALS

READS = ("GET", "HEAD", "OPTIONS")


class Seen(NamedTuple):
    """One request that was answered: what it asked for, how it was answered, under which id."""

    operation: str
    status: int
    request_id: str
    replayed: bool


seen: dict[str, list[Seen]] = {}
"""The requests of the servers of this process that nobody has judged yet, by their database."""
succeeded: set[str] = set()
"""The operations that were seen to succeed."""


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
            operation = getattr(route, "operation_id", None) or f"{scope['method']} {scope.get('route_path')}"
            request_id = scope["exchange"].request_id
            seen.setdefault(self._database(), []).append(Seen(operation, status, request_id, replayed))

    def _database(self) -> str:
        url: str = self.framework.state.ledger.db.url
        return url


def watch(door: Door) -> None:
    """Note the writes that go through a door from now on."""
    door.__class__ = _Watched


async def astray(since: str) -> list[str]:
    """Return a sentence for each noted write whose records are not what they must be.

    ``since`` is an id that is smaller than those of all rows in question. Databases that are gone are left out, and
    so are rows whose content was erased.
    """
    found: list[str] = []
    while seen:
        database_url, noted = seen.popitem()
        with contextlib.suppress(asyncpg.InvalidCatalogNameError):
            found += _judged(noted, await _left(database_url, since))
    return found


def _judged(noted: Iterable[Seen], left: dict[str, list[str]]) -> Iterable[str]:
    for each in noted:
        events = tuple(sorted(left.get(each.request_id, ())))
        if each.status < 300 and not each.replayed:
            succeeded.add(each.operation)
            _observe(each.operation, events)
            allowed = LEFT.get(each.operation, ())
            wrong = events not in allowed
        else:
            allowed = (*REFUSALS.get(each.operation, ()), "authz.denied")
            wrong = any(event not in allowed for event in events)
        if wrong:
            yield f"{each.operation}, answered {each.status}, left {events or 'nothing'}; allowed is {allowed}"


async def _left(database_url: str, since: str) -> dict[str, list[str]]:
    """Return the platform events of each request, from all rows made after an id."""
    connection = await asyncpg.connect(asyncpg_dsn(database_url))
    try:
        rows = await connection.fetch(_ROWS, since)
    finally:
        await connection.close()
    left: dict[str, list[str]] = {}
    for row in rows:
        links = msgspec.json.decode(row["content"]).get("links", ())
        request_id = next((link["requestId"] for link in links if "requestId" in link), None)
        if request_id is not None and row["event"] not in AFTERWARDS:
            left.setdefault(request_id, []).append(row["event"])
    return left


def _observe(operation: str, events: tuple[str, ...]) -> None:
    """Write down what was seen, where somebody asks for it: what `tests.conventions.records` is checked against."""
    if path := os.environ.get("PROVENANCE_TEST_RECORDS"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps([operation, events]) + "\n")


_ROWS = """SELECT lower(r.mnemonic || '.' || a.mnemonic) AS event, i.content FROM interactions i
  JOIN catalogue r ON r.workspace_id = i.workspace_id AND r.id = i.resource_type_id
  JOIN catalogue a ON a.workspace_id = i.workspace_id AND a.id = i.action_id
 WHERE i.platform AND i.content IS NOT NULL AND i.id > $1::uuid"""
