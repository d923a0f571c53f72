"""What goes in and out of grants (spec/automation.md, 9.4), and the events they leave."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from provenance.core.cursors import DEFAULT_LIMIT, MAX_LENGTH, MAX_LIMIT

PREFIX = "grant"
DAY_SECONDS = 24 * 3600
LONGEST_DAYS = 90
USUAL_DAYS = 30
LINK_SECONDS = 72 * 3600

UserId = Annotated[str, Field(pattern=r"^user_[0-9A-HJKMNP-TV-Z]{26}$")]
WorkflowId = Annotated[str, Field(pattern=r"^wf_[0-9A-HJKMNP-TV-Z]{26}$")]
StepKey = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)]


class GrantEvent(StrEnum):
    """What can happen to a grant."""

    REQUESTED = "grant.requested"
    APPROVED = "grant.approved"
    DENIED = "grant.denied"
    REVOKED = "grant.revoked"


class GrantStatus(StrEnum):
    """Where a grant stands; one whose time is over reads as expired."""

    PENDING = "pending"
    ACTIVE = "active"
    DENIED = "denied"
    REVOKED = "revoked"
    EXPIRED = "expired"


class GrantKind(StrEnum):
    """What a grant does: approves a class of requests, or lets another person decide on the grantor's behalf."""

    ACTION_CLASS = "action_class"
    SUBSTITUTE = "substitute"


class Operator(StrEnum):
    """How a value of the payload is compared."""

    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    IN = "in"


class Wire(BaseModel):
    """A body of grants: snake_case here, camelCase on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Given(Wire):
    """A body that takes nothing else than it names."""

    model_config = ConfigDict(extra="forbid")


class PayloadRule(Given):
    """A condition on the payload: a dotted path, such as ``order.amount``; one that is not there does not hold."""

    path: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    op: Operator
    value: Any


class Scope(Given):
    """What a grant covers; an empty list means any, so does no action."""

    workflow_ids: list[WorkflowId] = Field(default_factory=list, max_length=50)
    step_keys: list[StepKey] = Field(default_factory=list, max_length=50)
    action: Annotated[str | None, Field(max_length=10_000)] = None
    max_risk: Literal["low", "medium", "high"] = "medium"
    payload_rules: list[PayloadRule] = Field(default_factory=list, max_length=20)


class GrantWithApproval(Given):
    """A grant made with an approval: for requests of the same step, of at most the same risk, with the same action."""

    grant_kind: GrantKind = GrantKind.ACTION_CLASS
    grantee_user_id: UserId
    payload_rules: list[PayloadRule] = Field(default_factory=list, max_length=20)
    max_uses: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    valid_until: AwareDatetime | None = Field(default=None, description="30 days from now by default, 90 at most.")
    reason: Said | None = None


class GrantCreate(GrantWithApproval):
    """A grant made by an administrator, in their own name or in another member's."""

    grantor_user_id: UserId | None = None
    scope: Scope = Field(default_factory=Scope)
    valid_from: AwareDatetime | None = None


class GrantDecision(Given):
    """A confirmation, or a refusal. ``token`` is the link's; who is signed in needs none."""

    token: Annotated[str | None, Field(max_length=200)] = None
    comment: Said | None = None


class GrantFilters(BaseModel):
    """The query of a page of grants."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    status: GrantStatus | None = None
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="Items a page, 50 by default.")
    cursor: str | None = Field(None, max_length=MAX_LENGTH, description="nextCursor of the page before.")


class Grant(Wire):
    """A grant as it stands."""

    grant_id: str
    workspace_id: str
    grant_kind: GrantKind
    grantor_user_id: str
    grantee_user_id: str
    scope: Scope
    status: GrantStatus
    max_uses: int | None
    uses: int
    valid_from: str
    valid_until: str
    reason: str | None
    created_from_approval_id: str | None
    created_at: str
    created_by: str
    decided_at: str | None
    comment: str | None


class GrantMade(Grant):
    """A grant that waits to be confirmed. Without a mail server the link is here, for you to pass on; shown once."""

    confirm_url: str | None


class Grants(Wire):
    """A page of grants, newest first."""

    items: list[Grant]
    next_cursor: str | None


class Ask(BaseModel):
    """What a new grant is made of."""

    model_config = ConfigDict(frozen=True)

    kind: GrantKind
    grantor: str
    grantee: str
    scope: Scope
    max_uses: int | None
    valid_from: datetime | None
    valid_until: datetime | None
    reason: str | None
    created_from: uuid.UUID | None
