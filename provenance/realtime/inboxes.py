"""What came into the inboxes of those who listen: frames of the channel ``notifications``, to each their own.

An entry is made after its event, by the worker, and out of order where two handlers make them; so a look goes a while
back and leaves out what it has told. Best effort, as nothing here has a number of its own: who was away reads the
inbox.
"""

import uuid
from collections.abc import Collection
from typing import Any

from provenance.core.clock import NANOS, iso_millis, now_ns
from provenance.core.ids import encode
from provenance.ledger.service import Ledger
from provenance.realtime import queries
from provenance.realtime.schemas import Frame, control

INBOX = "notifications"
WINDOW_NS = 60 * NANOS
"""How late an entry may become visible, and still be told."""
MARGIN_NS = 5 * NANOS
"""Who begins to listen hears of what came this shortly before as well: twice is better than never."""
ROWS = 1_000


class Inboxes:
    """The inboxes of one workspace that somebody listens to."""

    def __init__(self, ledger: Ledger, workspace_id: uuid.UUID) -> None:
        """Take the ledger and the workspace."""
        self._ledger, self._workspace_id = ledger, workspace_id
        self._since: dict[uuid.UUID, int] = {}
        self._told: dict[tuple[uuid.UUID, int], int] = {}

    async def look(self, people: Collection[uuid.UUID]) -> list[tuple[uuid.UUID, Frame]]:
        """Return what came for these people since the last look, each with whose it is. Raises Unavailable."""
        now = now_ns()
        self._since = {each: self._since.get(each, now - MARGIN_NS) for each in people}
        if not people:
            self._told.clear()
            return []
        since = max(now - WINDOW_NS, min(self._since.values()))
        self._told = {key: at for key, at in self._told.items() if at >= since and key[0] in self._since}
        async with self._ledger.db.housekeeping(self._workspace_id) as tx:
            rows = await queries.arrived(tx, list(people), since, ROWS)
        fresh = [row for row in rows if self._is_fresh(row)]
        self._told |= {(row.person_id, row.number): row.created_at for row in fresh}
        return [(row.person_id, _frame(row)) for row in fresh]

    def _is_fresh(self, row: Any) -> bool:
        return row.created_at >= self._since[row.person_id] and (row.person_id, row.number) not in self._told


def _frame(row: Any) -> Frame:
    data = {
        "notificationId": encode("evt", row.id),
        "eventSeq": row.number,
        "eventType": row.event,
        "risk": row.risk,
        "objectKind": row.event.partition(".")[0],
        "objectId": row.resource_id,
        "uowId": str(row.uow_id),
        "at": iso_millis(row.recorded_at),
    }
    workspace = encode("ws", row.workspace_id)
    return control("notification", channel=INBOX, seq=None, at=data["at"], workspaceId=workspace, data=data)
