"""Legal holds: what is sent, stored and shown."""

import uuid
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, ConfigDict, WithJsonSchema
from pydantic.alias_generators import to_camel

from provenance.core.clock import iso_millis, parse_iso
from provenance.ledger.erasure.schemas import Camel, FilterBody, Reason


class Hold(NamedTuple):
    """A legal hold as stored, its filter sealed. Times are nanoseconds since the epoch."""

    id: uuid.UUID
    reason: str
    filter_sealed: bytes
    set_by: str
    set_at: int
    ends_at: int | None


def _moment(value: Any) -> int:
    if not isinstance(value, str):
        raise ValueError("must be an ISO 8601 time")
    return parse_iso(value)


Moment = Annotated[int, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]


class HoldCreate(Camel):
    """A hold to be set: on rows that satisfy the filter (empty: on every row), until its end or until it is lifted."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    filter: FilterBody
    reason: Reason
    ends_at: Moment | None = None


class LegalHold(Camel):
    """A legal hold."""

    hold_id: str
    filter: FilterBody
    reason: str
    set_by: str
    set_at: str
    ends_at: str | None
    active: bool


def shown(hold: Hold, filter: dict[str, Any], now: int) -> LegalHold:
    """Return a hold as it reads on the wire."""
    return LegalHold(
        hold_id=str(hold.id),
        filter=filter,
        reason=hold.reason,
        set_by=hold.set_by,
        set_at=iso_millis(hold.set_at),
        ends_at=None if hold.ends_at is None else iso_millis(hold.ends_at),
        active=hold.ends_at is None or hold.ends_at > now,
    )
