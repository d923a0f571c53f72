"""Streams on the wire, and inside: what is configured, how far each is, what a worker takes in hand."""

import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from provenance.audit.schemas import Risk
from provenance.streams.shapes import Asked, Name, Shown

PREFIX = "strm"
"""Of a stream's id."""
RISKS = tuple(Risk)
"""From the least to the most."""

EventType = Annotated[str, Field(pattern=r"^[a-z_]+\.[a-z_]+$", max_length=128)]
Number = Annotated[int, Field(ge=1, le=2**53)]


class StreamEvent(StrEnum):
    """What can happen to a stream."""

    CREATED = "audit_stream.created"
    UPDATED = "audit_stream.updated"
    DELETED = "audit_stream.deleted"
    TESTED = "audit_stream.tested"
    REPLAYED = "audit_stream.replayed"
    FAILING = "audit_stream.failing"
    RECOVERED = "audit_stream.recovered"


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class _Asked(_Wire):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class Filter(_Asked):
    """Which events go out: all, unless domains, event types or a least risk are named; each that is narrows."""

    domains: Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=50)] = []
    event_types: Annotated[list[EventType], Field(max_length=100)] = []
    min_risk: Risk | None = None

    @property
    def risks(self) -> tuple[Risk, ...]:
        """The risks that pass."""
        return RISKS if self.min_risk is None else RISKS[RISKS.index(self.min_risk) :]


class StreamCreate(_Asked):
    """A new stream. Without ``fromSeq`` it begins with what happens from now on."""

    name: Name
    target: Asked
    filter: Filter = Filter()
    paused: bool = False
    from_seq: Number | None = None


class StreamUpdate(_Asked):
    """What to change of a stream (JSON merge patch by member); a target is given whole.

    A target whose secret is left out keeps it as long as it is of the same kind at the same place.
    """

    name: Name | None = None
    target: Asked | None = None
    filter: Filter | None = None
    paused: bool | None = None


class Replay(_Asked):
    """Send again from this number on, or pass by everything before it."""

    from_seq: Number


class Standing(_Wire):
    """How far a stream is. Times are ISO 8601; ``lagSeconds`` is the age of the oldest event that is still to go."""

    state: Literal["running", "paused", "failing"]
    acknowledged_seq: int
    head_seq: int
    lag_rows: int
    lag_capped: Annotated[bool, Field(description="There are more rows to go than are counted.")]
    lag_seconds: float
    delivered: int
    refused: int
    failures: int
    said: Annotated[str | None, Field(description="What the target, or the way to it, said last.")]
    failed_at: str | None
    acknowledged_at: str | None
    next_attempt_at: str | None


class Stream(_Wire):
    """A stream as it is shown: no secret is in it."""

    stream_id: str
    name: str
    target: Shown
    filter: Filter
    paused: bool
    standing: Standing
    created_at: str
    created_by: str
    updated_at: str
    updated_by: str


class Streams(_Wire):
    """The streams of a workspace, newest first; there are never more than one page."""

    items: list[Stream]
    next_cursor: None


class Deleted(_Wire):
    """A stream that is no more."""

    stream_id: str
    deleted: bool


class TestResult(_Wire):
    """What came of sending one event that says it is a test."""

    ok: bool
    said: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A stream as its row has it; ``sealed`` holds the target's secrets."""

    id: uuid.UUID
    name: str
    target: dict[str, Any]
    sealed: bytes | None
    filter: Filter
    paused: bool
    created_at: int
    created_by: str
    updated_at: int
    updated_by: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a stream is: numbers, nanoseconds, and what the target said last."""

    number: int
    pinned_upto: int | None
    due_at: int
    lease: uuid.UUID | None
    delivered: int
    refused: int
    failures: int
    said: str | None
    failed_at: int | None
    acknowledged_at: int | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A stream that a worker has in hand, until its lease runs out unrenewed."""

    workspace_id: uuid.UUID
    stream_id: uuid.UUID
    lease: uuid.UUID


@dataclass(frozen=True, slots=True)
class Ahead:
    """What lies before a cursor: rows to go (counted up to a bound), and when the first was recorded."""

    head: int
    rows: int
    capped: bool
    oldest_at: int | None
