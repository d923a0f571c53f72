"""Alerts on the wire: what a rule says, who of its groups is firing, what it would have found."""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from provenance.audit.schemas import Risk
from provenance.ledger.interactions.filters import Storable

PREFIX = "alrt"
"""Of an alert's id."""
GROUP_PREFIX = "agrp"
"""Of a group's id."""
EVIDENCE = 10
"""Interactions that a firing names: the last ones."""
LONGEST_SECONDS = 7 * 86_400
MOST_GROUPS = 10_000


class AlertEvent(StrEnum):
    """What can happen to an alert."""

    CREATED = "alert.created"
    UPDATED = "alert.updated"
    DELETED = "alert.deleted"
    SILENCED = "alert.silenced"
    ACKNOWLEDGED = "alert.acknowledged"
    FIRING = "alert.firing"
    RECOVERED = "alert.recovered"


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class _Asked(_Wire):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Name = Annotated[Storable, Field(min_length=1, max_length=120)]
Word = Annotated[Storable, Field(min_length=1, max_length=512)]
Words = Annotated[list[Word], Field(max_length=50), BeforeValidator(_several)]
Source = Annotated[Storable, Field(min_length=1, max_length=4096, description="An expression in CEL.")]
Within = Annotated[int, Field(ge=1, le=LONGEST_SECONDS, description="The window's length in seconds, up to 7 days.")]


class Where(_Asked):
    """Which interactions concern a rule; each member that is given narrows, a list means any of it.

    Words are compared whatever their case. Rows that the platform itself made concern a rule only where their resource
    type is named.
    """

    resource_type: Words = []
    action: Words = []
    origin: Words = []
    user_id: Words = []


class Count(_Asked):
    """Fires when at least ``atLeast`` interactions match within the window."""

    kind: Literal["count"]
    at_least: Annotated[int, Field(ge=1, le=1_000_000)]
    within_seconds: Within


class Rate(_Asked):
    """Fires when matches per minute, over the window, are above or below a number: one of the two is given."""

    kind: Literal["rate"]
    above: Annotated[float | None, Field(ge=0, le=1_000_000)] = None
    below: Annotated[float | None, Field(gt=0, le=1_000_000)] = None
    within_seconds: Within

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("give either above or below, in matches per minute")
        return self


class Absence(_Asked):
    """Fires when nothing matches for so long; with groups, for each group that was seen once."""

    kind: Literal["absence"]
    within_seconds: Within


class Sequence(_Asked):
    """Fires when a number that a producer gives one after another is missing so long after a higher one came."""

    kind: Literal["sequence"]
    number: Source = "sequenceIndex"
    within_seconds: Within = 60


class Other(_Asked):
    """The interaction that others may not be without."""

    where: Where = Where()
    filter: Source | None = None


class Without(_Asked):
    """Fires when a match has no other one before it, or after it, within the window and in the same group."""

    kind: Literal["without"]
    other: Other
    direction: Literal["before", "after"]
    within_seconds: Within


Window = Annotated[Count | Rate | Absence | Sequence | Without, Field(discriminator="kind")]


class Rule(_Asked):
    """What is looked for. ``groupBy`` keeps a window for each value it gives; `without` is by `uowId` unless told."""

    where: Where = Where()
    filter: Source | None = None
    group_by: Source | None = None
    window: Window
    recover_after_seconds: Annotated[
        int | None,
        Field(ge=0, le=LONGEST_SECONDS, description="How long it stays firing afterwards; the window's by default."),
    ] = None
    max_groups: Annotated[int, Field(ge=1, le=MOST_GROUPS, description="Groups kept; the oldest goes first.")] = 1_000


class AlertCreate(Rule):
    """A new alert; it looks at what is recorded from now on."""

    name: Name
    severity: Risk = Risk.MEDIUM
    enabled: bool = True


class AlertUpdate(_Asked):
    """What to change of an alert; one that looks for something else, or is enabled, begins anew."""

    name: Name | None = None
    severity: Risk | None = None
    enabled: bool | None = None
    where: Where | None = None
    filter: Source | None = None
    group_by: Source | None = None
    window: Window | None = None
    recover_after_seconds: Annotated[int | None, Field(ge=0, le=LONGEST_SECONDS)] = None
    max_groups: Annotated[int | None, Field(ge=1, le=MOST_GROUPS)] = None


class Silence(_Asked):
    """Until when nothing is told, of the alert or of one group; null ends a silence."""

    until: AwareDatetime | None
    group_id: Annotated[str | None, Field(max_length=64)] = None
    reason: Annotated[Storable | None, Field(max_length=500)] = None


class Acknowledge(_Asked):
    """Say that somebody looks into it: into one group, or into all that fire."""

    group_id: Annotated[str | None, Field(max_length=64)] = None
    note: Annotated[Storable | None, Field(max_length=500)] = None


class PreviewAsked(Rule):
    """A rule, and how many of the last hours to try it on."""

    hours: Annotated[int, Field(ge=1, le=168)] = 24


class RuleError(_Wire):
    """What went wrong last when the rule was asked about an interaction, and how often anything did."""

    issue: str
    interaction_number: int
    at: str
    count: int


class Cited(_Wire):
    """An interaction that a firing names."""

    interaction_number: int
    interaction_id: str


class AlertGroup(_Wire):
    """One group: what is known of it now. ``group`` is null where the caller may not read what it was made of."""

    group_id: str
    group: Any
    state: Literal["quiet", "firing", "recovering"]
    since: str | None
    count: int
    details: dict[str, Any] | None
    evidence: list[Cited]
    silenced_until: str | None
    acknowledged_by: str | None
    acknowledged_at: str | None


class Alert(_Wire):
    """An alert: the rule, and how it stands."""

    alert_id: str
    name: str
    severity: Risk
    enabled: bool
    where: Where
    filter: str | None
    group_by: str | None
    window: Window
    recover_after_seconds: int
    max_groups: int
    state: Literal["disabled", "quiet", "firing"]
    firing: Annotated[int, Field(description="Groups that are firing.")]
    groups: Annotated[int, Field(description="Groups that are kept.")]
    dropped_groups: Annotated[int, Field(description="Groups forgotten because there were too many.")]
    silenced_until: str | None
    error: RuleError | None
    created_at: str
    created_by: str
    updated_at: str
    updated_by: str


class AlertDetail(Alert):
    """An alert and its groups: those that fire first, then those heard of last, at most 100."""

    states: list[AlertGroup]
    states_complete: bool


class AlertDeleted(_Wire):
    """An alert that is no more."""

    alert_id: str
    deleted: bool


class WouldHaveFired(_Wire):
    """One firing that a rule would have made; ``recoveredAt`` null: it would be firing still."""

    group: Any
    fired_at: str
    recovered_at: str | None
    count: int
    details: dict[str, Any] | None
    evidence: list[Cited]


class Preview(_Wire):
    """What a rule would have found. ``complete`` false: only the newest rows of the period were looked at."""

    since: Annotated[str, Field(alias="from")]
    to: str
    scanned: int
    matched: int
    complete: bool
    groups: int
    dropped_groups: int
    firings: list[WouldHaveFired]
    more_firings: Annotated[int, Field(description="Firings beyond those that are listed.")]
    error: RuleError | None
