"""A group of messages in one statement: whether they are still routed right, the rows, and the ledger's append, last.

Messages are routed by what is remembered when they come. The statement looks whether it still holds; where it does not,
nothing is stored, and the group is routed anew in a transaction. So most groups are one round trip and one commit.
"""

from collections.abc import Sequence
from typing import NamedTuple

from provenance.bus.deliveries import queries as deliveries
from provenance.bus.messages import queries as messages
from provenance.bus.routing import Routed
from provenance.bus.statements import Statements, arrays, unnest
from provenance.ledger.appending import APPEND, arguments
from provenance.ledger.entry import Entry


class Ready(NamedTuple):
    """Messages as they are to be stored, all of one workspace: routed at a version, and what the ledger is told."""

    version: int
    routed: list[Routed]
    entries: list[Entry]


async def store(statements: Statements, group: Sequence[Ready]) -> bool:
    """Store messages whose payloads lie in their rows; False, and nothing stored, when one is routed otherwise now."""
    routed = [way for each in group for way in each.routed]
    going = [delivery for way in routed for delivery in way.deliveries]
    versions = {(each.routed[0].row.workspace_id, each.version) for each in group}
    values = [
        *arguments([entry for each in group for entry in each.entries]),
        *arrays(_VERSIONS, versions),
        *messages.parameters([way.row for way in routed]),
        *(deliveries.parameters(going) if going else ()),
    ]
    [(appended,)] = await statements.fetch(WITH_DELIVERIES if going else WITHOUT, *values)
    return appended is not None


_VERSIONS = {"workspace_id": "uuid", "version": "bigint"}
_UNLESS_STALE = " WHERE NOT EXISTS (SELECT FROM stale)"


def _statement(*, delivers: bool) -> str:
    """Return the statement; it answers how many entries it appended, or null.

    The append is asked for only once every part is done, for its lock is the last.
    """
    first = 1 + APPEND.count("$")
    stale = f"""SELECT FROM {unnest(_VERSIONS, first=first)} WHERE o.version <> coalesce(
        (SELECT r.version FROM bus_routings AS r WHERE r.workspace_id = o.workspace_id), 0)"""  # noqa: S608 — names of ours
    first += len(_VERSIONS)
    parts, done = f"stored AS ({messages.insertion(first, _UNLESS_STALE)} RETURNING 1)", _DONE.format("stored")
    if delivers:
        insertion = deliveries.insertion(first + messages.WIDTH, _UNLESS_STALE)
        parts, done = f"{parts}, going AS ({insertion} RETURNING 1)", f"{done} AND {_DONE.format('going')}"
    call = APPEND.partition(" FROM ")[2]
    return f"WITH stale AS ({stale}), {parts} SELECT CASE WHEN {done} THEN (SELECT count(*) FROM {call}) END"  # noqa: S608 — names of ours


_DONE = "(SELECT count(*) FROM {}) > 0"
WITHOUT, WITH_DELIVERIES = _statement(delivers=False), _statement(delivers=True)
