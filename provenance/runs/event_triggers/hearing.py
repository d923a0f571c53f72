"""What a row of the ledger says to event triggers: that something happened, or that a message was published.

A message of the bus is heard as soon as it is published: its row brings the topic, the message itself the payload.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from provenance.audit.service import words_of
from provenance.bus.envelope import delivered, envelope_members
from provenance.bus.events import BusEvent
from provenance.bus.messages import queries as messages
from provenance.bus.messages.schemas import PREFIX as MESSAGE_PREFIX
from provenance.bus.messages.schemas import Row as Message
from provenance.core.clock import iso_millis
from provenance.core.db import ReadTx
from provenance.core.ids import decode
from provenance.ledger.feed import Row
from provenance.runs.event_triggers import queries
from provenance.runs.event_triggers.patterns import Index, topic_of
from provenance.runs.event_triggers.queries import Owner
from provenance.runs.triggering import TriggerEvent

_REFUSED, _PUBLISHED = words_of(TriggerEvent.REFUSED), words_of(BusEvent.MESSAGE_PUBLISHED)


class Said(NamedTuple):
    """What a row says, and to which triggers: ``told`` is a run's `trigger` and, with ``payload``, a `message`.

    ``name`` tells it from all else that is said. ``hops`` counts the messages and runs that led to it, None where
    the run that caused the row knows.
    """

    row: Row
    triggers: list[Any]
    name: str
    told: dict[str, Any]
    payload: Any
    hops: int | None


class Heard(NamedTuple):
    """Something that one trigger hears; ``hops`` is the run's ``hop_count``."""

    trigger: Any
    said: Said
    hops: int


async def heard(tx: ReadTx, index: Index, rows: Sequence[Row]) -> list[Heard]:
    """Return what rows say to which triggers, in order. No workflow hears what a run of its own caused."""
    said = [*_of_rows(index, rows), *await _of_messages(tx, index, rows)]
    owners = await queries.owners(tx, {each.row.uow_id for each in said}) if said else {}
    found = [
        Heard(trigger, each, _hops(each, owners.get(each.row.uow_id)))
        for each in sorted(said, key=lambda each: each.row.number)
        for trigger in each.triggers
    ]
    return [each for each in found if not _is_own(each, owners.get(each.said.row.uow_id))]


def _is_own(found: Heard, owner: Owner | None) -> bool:
    return owner is not None and owner.workflow_id == found.trigger.workflow_id


def _hops(said: Said, owner: Owner | None) -> int:
    if said.hops is not None:
        return said.hops
    return 0 if owner is None else owner.hop_count + 1


def _of_rows(index: Index, rows: Sequence[Row]) -> Iterator[Said]:
    """Return what rows say by themselves. Those of refused starts say nothing: heard, they would breed more."""
    for row in rows:
        triggers = index.matching(row.resource_type, row.action, platform=row.platform)
        if triggers and not _is(row, _REFUSED):
            yield Said(row, triggers, str(row.number), told_of(row), row.data(), None)


async def _of_messages(tx: ReadTx, index: Index, rows: Sequence[Row]) -> list[Said]:
    """Return what messages say whose publication is among the rows; one that ran out since says nothing."""
    found = []
    for row in rows:
        triggers = index.listening_to(str(row.data().get("topic"))) if _is(row, _PUBLISHED) else []
        message_id = decode(MESSAGE_PREFIX, row.resource_id or "")
        message = await messages.by_id(tx, message_id) if triggers and message_id is not None else None
        if message is not None:
            told = {name: value for name, value in envelope_members(delivered(message)).items() if value is not None}
            payload = await _payload(tx, message)
            found.append(Said(row, triggers, told["msgId"], told, payload, message.hop_count + 1))
    return found


async def _payload(tx: ReadTx, message: Message) -> Any:
    text = message.payload if message.payload is not None else await messages.payload_of(tx, message.id)
    return msgspec.json.decode(text or "null")


def _is(row: Row, words: tuple[str, str]) -> bool:
    return row.platform and (row.resource_type, row.action) == words


def told_of(row: Row) -> dict[str, Any]:
    """Return what a run may read of its row beside the row's own object, by the names of the API."""
    return {
        "topic": topic_of(row.resource_type, row.action),
        "interactionId": str(row.id),
        "interactionNumber": row.number,
        "resourceTypeMnemonic": row.resource_type,
        "actionMnemonic": row.action,
        "originMnemonic": row.origin,
        "resourceId": row.resource_id,
        "userId": row.user_id,
        "uowId": str(row.uow_id),
        "spanId": row.span_id and str(row.span_id),
        "outcome": row.outcome,
        "recordedBy": row.recorded_by,
        "platform": row.platform,
        "createdDate": iso_millis(row.occurred_at),
        "recordedDate": iso_millis(row.recorded_at),
    }
