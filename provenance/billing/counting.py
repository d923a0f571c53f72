"""How much was used, counted on: what was counted a moment ago, and what the platform recorded since."""

import uuid
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from provenance.audit.service import words_of
from provenance.billing import queries
from provenance.core.clock import NANOS
from provenance.core.db import ReadTx
from provenance.ledger.catalogue.cache import Catalogue, Kind

EVENTS = {
    "runs": ("run.started", "run.queued"),
    "steps": ("run.step_completed", "run.step_failed"),
    "busMessages": ("bus.message_published",),
    "mcpCalls": ("mcp.tool_called",),
}
"""What is counted by how often the platform recorded it."""

Words = tuple[uuid.UUID, uuid.UUID]
"""A resource type and an action, by their ids."""


class Counted(NamedTuple):
    """How often the platform recorded what in a month, up to a number of the ledger."""

    month: date
    number: int
    times: dict[Words, int]

    def of(self, catalogue: Catalogue, name: str) -> int:
        """Return how much of one of `EVENTS` that is."""
        return sum(self.times.get(words, 0) for words in words_in(catalogue, EVENTS[name]))


async def counted(tx: ReadTx, before: Counted | None) -> Counted:
    """Count this month up to now, on from what was counted before, where that was in the same month."""
    month = first_day(tx.now)
    if before is None or before.month != month:
        before = Counted(month, *await queries.counted_of_month(tx, month))
    times, number = dict(before.times), before.number
    for row in await queries.times_since(tx, number, nanos(month)):
        words = (row.resource_type_id, row.action_id)
        times[words] = times.get(words, 0) + row.times
        number = max(number, row.number)
    return Counted(month, number, times)


def words_in(catalogue: Catalogue, events: Iterable[str]) -> set[Words]:
    """Return the words of events that this workspace ever recorded."""
    return {words for event in events if (words := _words(catalogue, event)) is not None}


def _words(catalogue: Catalogue, event: str) -> Words | None:
    subject, verb = words_of(event)
    resource_type: Any = catalogue.named(Kind.RESOURCE_TYPE, subject)
    action: Any = catalogue.named(Kind.ACTION, verb)
    return None if resource_type is None or action is None else (uuid.UUID(resource_type.id), uuid.UUID(action.id))


def month_of(now: int) -> tuple[int, int]:
    """Return the beginning of the month of a moment, and of the next one, in nanoseconds."""
    begun = first_day(now)
    return nanos(begun), nanos(date(begun.year + begun.month // 12, begun.month % 12 + 1, 1))


def first_day(now: int) -> date:
    """Return the first day of a moment's month, in UTC."""
    return datetime.fromtimestamp(now / NANOS, UTC).date().replace(day=1)


def nanos(day: date) -> int:
    """Return when a day begins, in UTC."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * NANOS
