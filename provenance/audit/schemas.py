"""Audit events on the wire (spec/automation.md, 11.2): platform rows in the automation contract's shape."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from provenance.core.actor import Kind


class AuditEvent(StrEnum):
    """What the audit itself leaves."""

    EXPORTED = "audit.exported"
    DENIED = "authz.denied"


class Risk(StrEnum):
    """How much an event deserves a look."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


ActorKind = Literal["user", "agent", "system", "integration"]
ACTOR_KINDS: dict[ActorKind, tuple[str, ...]] = {
    "user": (Kind.PERSON.value,),
    "agent": ("agent",),
    "system": (Kind.SYSTEM.value,),
    "integration": (Kind.KEY.value, Kind.QUEUE.value, Kind.WEBHOOK.value),
}
"""The contract's kinds of actors, and the ledger's that stand behind each."""

OUTCOMES = {"success": "ok", "denied": "denied", "failure": "error", "unknown": "error"}
"""How the ledger's outcomes read in the contract."""


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Credential(_Wire):
    """What the actor showed: a signed-in person's token, an API key, or nothing because it was the platform."""

    kind: Literal["jwt", "api_key", "hmac", "internal"]
    key_id: str | None = None


class Change(_Wire):
    """One changed field; secrets are never among them."""

    field: str
    before: Any = None
    after: Any = None


class Event(_Wire):
    """One audit event. ``seq`` is the row's interactionNumber, ``mac`` an HMAC-SHA256 over its canonical envelope."""

    event_id: str
    event_type: str
    domain: str | None
    risk: str | None
    at: str
    workspace_id: str
    actor_id: str
    actor_kind: ActorKind
    person_id: str | None
    credential: Credential
    ip: str | None
    user_agent: str | None
    object_kind: str
    object_id: str | None
    object_name: str | None
    action: str
    outcome: Literal["ok", "denied", "error"]
    run_id: str | None
    step_id: str | None
    request_id: str | None
    changes: list[Change]
    detail: dict[str, Any]
    seq: int
    mac_key_id: str
    mac: str


class Events(_Wire):
    """A page of audit events, newest first."""

    items: list[Event]
    next_cursor: str | None


class Verification(_Wire):
    """Whether an event is what was recorded: its MAC, its leaf, and its place under a signed head."""

    event_id: str
    seq: int
    mac: str
    mac_key_id: str
    intact: bool
    integrated: bool
    sentence: str


class RangeAsked(_Wire):
    """Which events to check, by ``seq``, both ends included."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    from_seq: int
    to_seq: int


class Filters(BaseModel):
    """What a list of events is narrowed to; each may be left out."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    event_type: Annotated[str | None, Field(pattern=r"^[a-z_]+\.[a-z_]+$", examples=["run.started"])] = None
    domain: Annotated[str | None, Field(max_length=64)] = None
    risk: Risk | None = None
    actor_id: Annotated[str | None, Field(max_length=200)] = None
    actor_kind: ActorKind | None = None
    object_id: Annotated[str | None, Field(max_length=512)] = None
    since: Annotated[AwareDatetime | None, Field(alias="from", description="ISO 8601 with an offset; included.")] = None
    until: Annotated[AwareDatetime | None, Field(alias="to", description="ISO 8601 with an offset; excluded.")] = None


class ExportAsked(_Wire):
    """What to export: the list's filters by their names, and the form."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    format: Literal["ndjson", "csv"] = "ndjson"
    filters: Filters = Filters()


class RangeVerification(_Wire):
    """Whether every row of a range is what was recorded and signed; the first that is not, by ``seq``."""

    from_seq: int
    to_seq: int
    checked: int
    intact: bool
    first_bad: int | None
    sentence: str
