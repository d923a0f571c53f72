"""The audit digest on the wire (spec/automation.md, 5.13), and as it is stored."""

import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from provenance.audit.schemas import Event, Risk
from provenance.notifications.digest.schedule import Frequency
from provenance.notifications.recipients import Recipients
from provenance.notifications.schemas import Wire, Zone


class DigestEvent(StrEnum):
    """What can happen to the audit digest."""

    UPDATED = "audit_digest.updated"
    SENT = "audit_digest.sent"


class DigestAsked(Wire):
    """The digest as it shall be, whole."""

    enabled: bool = False
    frequency: Frequency = "daily"
    recipients: Recipients = Field(default_factory=list)
    risk_levels: Annotated[list[Risk], Field(min_length=1, max_length=4)] = Field(default_factory=lambda: list(Risk))
    hour_utc: Annotated[int, Field(ge=0, le=23)] = 6
    timezone: Annotated[Zone, Field(description="Whose days, Mondays and firsts of months count.")] = "UTC"
    include_csv: bool = False


class Digest(Wire):
    """The digest as it is: what was asked for, when it went out last and goes out next, and what went wrong."""

    enabled: bool
    frequency: Frequency
    recipients: Recipients
    risk_levels: list[Risk]
    hour_utc: int
    timezone: str
    include_csv: bool
    last_sent_at: str | None
    next_run_at: str | None
    last_error: str | None


class Phase(StrEnum):
    """Where a digest stands."""

    WAITING = "waiting"
    HANDING_OVER = "handing_over"


@dataclass(frozen=True, slots=True)
class Stored:
    """A digest as its row has it; ``recipients`` are sealed, moments are nanoseconds, ``number`` is covered already."""

    enabled: bool
    frequency: Frequency
    recipients: bytes
    risk_levels: list[str]
    hour_utc: int
    timezone: str
    include_csv: bool
    number: int
    run_at: int | None
    phase: str
    lease: uuid.UUID | None
    failures: int
    said: str | None
    last_sent_at: int | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A digest that a worker has in hand until its lease runs out."""

    workspace_id: uuid.UUID
    lease: uuid.UUID


@dataclass(frozen=True, slots=True)
class Contents:
    """What a digest tells: counts by risk and domain, the events that matter most, the numbers it covers."""

    workspace: str
    first: int
    last: int
    counts: list[tuple[str, str, int]]
    notable: list[Event]
    csv: bytes | None
    csv_complete: bool

    @property
    def total(self) -> int:
        """How many events there are."""
        return sum(count for _, _, count in self.counts)

    @property
    def notable_total(self) -> int:
        """How many of them are of high or critical risk."""
        return sum(count for risk, _, count in self.counts if risk in (Risk.HIGH, Risk.CRITICAL))
