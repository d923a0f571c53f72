"""The verbs of letters: tell those of whom something is asked, and that there is nothing left to do."""

from collections.abc import Sequence
from typing import Any

from provenance.approvals import queries as approvals
from provenance.approvals.letters import queries
from provenance.approvals.letters.schemas import Occasion
from provenance.approvals.schemas import PREFIX, Status
from provenance.core import ids
from provenance.core.db import WriteTx
from provenance.ledger.feed import Row
from provenance.notifications.inbox import service as inbox


async def tell(tx: WriteTx, row: Row, event: str, occasion: Occasion) -> None:
    """Put what is asked into the inbox of everybody it is asked of, and keep a letter for each who wants one.

    Nothing once it is decided. Telling it twice changes nothing.
    """
    approval_id = ids.decode(PREFIX, row.resource_id or "")
    approval = None if approval_id is None else await approvals.one(tx, approval_id)
    if approval is None or approval.status != Status.PENDING:
        return
    news = inbox.news_of(row, event, risk=approval.risk, title=approval.title)
    people = await inbox.put(tx, news, _named(row, occasion, approval.assignees))
    wanting = [told for told in await inbox.preferred(tx, people) if told.approval_mail]
    moments = {told.person_id: inbox.mailed_at(told, approval.risk, tx.now) for told in wanting}
    if moments:
        await queries.add(tx, approval.id, row.number, occasion.value, moments)


def _named(row: Row, occasion: Occasion, assignees: Sequence[str]) -> Sequence[str]:
    """Return who is told, as ``kind:id``: those whom this event asked, as far as they still are.

    Of an escalation that is who is asked besides; the others hear that it is overdue.
    """
    then: Any = row.data().get("to" if occasion is Occasion.ESCALATED else "assignees")
    return [each for each in then if each in assignees] if isinstance(then, list) else assignees


async def settled(tx: WriteTx, row: Row) -> None:
    """Take an approval for read by all who were asked: it is decided, or nobody waits for it any more."""
    if row.resource_id is not None:
        await inbox.settled(tx, row.resource_id, row.uow_id)
