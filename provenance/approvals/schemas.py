"""What goes in and out of approvals (spec/automation.md, 5.8), what runs ask, and the events they leave."""

import uuid
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from provenance.approvals.grants.schemas import GrantMade, GrantWithApproval
from provenance.audit.schemas import Risk
from provenance.core.cursors import DEFAULT_LIMIT, MAX_LENGTH, MAX_LIMIT
from provenance.workspace.schemas import Approver

__all__ = ["Approver", "Risk"]

PREFIX = "appr"
COMMENT_PREFIX = "cmt"
SYSTEM: Final = "system"
MOST_ASSIGNEES = 50

Comment = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4_000)]
Assertion = Annotated[
    dict[str, Any] | None,
    Field(description="What a passkey answered to the challenge of this approval, in WebAuthn's own JSON."),
]
Sla = Annotated[int, Field(ge=1, le=60 * 24 * 366)]


class ApprovalEvent(StrEnum):
    """What can happen to an approval."""

    REQUESTED = "approval.requested"
    PAYLOAD_EDITED = "approval.payload_edited"
    UPDATED = "approval.updated"
    COMMENTED = "approval.commented"
    VOTED = "approval.voted"
    APPROVED = "approval.approved"
    REJECTED = "approval.rejected"
    AUTO_APPROVED = "approval.auto_approved"
    SLA_BREACH = "approval.sla_breach"
    ESCALATED = "approval.escalated"
    REASSIGNED = "approval.reassigned"
    CANCELLED = "approval.cancelled"
    EXPIRED = "approval.expired"


class Status(StrEnum):
    """Where an approval stands."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class OnBreach(StrEnum):
    """What happens when a decision is overdue."""

    NOTIFY = "notify"
    ESCALATE = "escalate"
    REJECT = "reject"
    APPROVE = "approve"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What a run asks at a gate. ``asks`` is the step's configuration with its expressions resolved.

    ``insists``: people are asked whatever the risk; else low risk is approved by the policy itself.
    """

    token: str
    run_id: uuid.UUID
    step_key: str
    iteration: int
    attempt: int
    step_id: str
    span_id: uuid.UUID
    workflow_id: uuid.UUID
    workflow_name: str
    version: int
    version_checksum: str
    environment: str
    started_by: str | None
    insists: bool
    asks: dict[str, Any]


class Wire(BaseModel):
    """A body of approvals: snake_case here, camelCase on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Given(Wire):
    """A body that takes nothing else than it names."""

    model_config = ConfigDict(extra="forbid")


class Filters(BaseModel):
    """What a list of approvals is narrowed to; each may be left out."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    status: Status | None = None
    risk: Risk | None = None
    assignee: Annotated[
        Literal["me"] | None, Field(description="`me`: assigned to me, in person, by role or by group.")
    ] = None
    workflow_id: Annotated[str | None, Field(max_length=64)] = None
    run_id: Annotated[str | None, Field(max_length=64)] = None


class Asked(Filters):
    """The query of a page of approvals."""

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="Items a page, 50 by default.")
    cursor: str | None = Field(None, max_length=MAX_LENGTH, description="nextCursor of the page before.")

    @property
    def filters(self) -> Filters:
        """The filters alone, to which a cursor is bound."""
        return Filters.model_validate(self.model_dump(by_alias=True, exclude={"limit", "cursor"}))


class ApprovalUpdate(Given):
    """What to change; another payload, or other assignees, void the decisions made so far."""

    payload: Any = Field(default=None, description="The whole payload as it shall be.")
    assignees: list[Approver] | None = Field(default=None, min_length=1, max_length=MOST_ASSIGNEES)
    sla_minutes: Sla | None = Field(default=None, description="Counted from the request.")


class Approve(Given):
    """A decision for. With ``payload`` it is for that one; ``payloadRevision`` is the state that was read."""

    comment: Comment | None = None
    payload: Any = None
    payload_revision: int | None = Field(default=None, ge=1)
    assertion: Assertion = None
    grant: GrantWithApproval | None = Field(default=None, description="Let similar requests pass from now on.")


class Reject(Given):
    """A decision against, and why."""

    comment: Comment
    payload_revision: int | None = Field(default=None, ge=1)
    assertion: Assertion = None


class CommentCreate(Given):
    """A remark."""

    text: Comment


class CommentShown(Wire):
    """A remark as it stands."""

    comment_id: str
    author: str
    text: str
    created_at: str


class Decision(Wire):
    """One person's decision, signed; ``rule`` names what the system followed when it decided."""

    decision: Literal["approved", "rejected"]
    by: str
    at: str
    comment: str | None
    rule: str | None
    payload_revision: int
    void: bool
    signature: str


class EvidenceItem(Wire):
    """A fact shown beside the payload."""

    label: str
    value: Any
    tone: str | None


class Change(Wire):
    """One place where the payload differs from what was proposed; a value that is not there is left out."""

    path: str
    before: Any = None
    after: Any = None


class Escalation(Wire):
    """Who is asked besides, and when."""

    to: list[Approver]
    after_minutes: int


class Summary(Wire):
    """An approval as lists show it."""

    approval_id: str
    workspace_id: str
    run_id: str
    step_id: str
    step_key: str
    workflow_id: str
    workflow_name: str
    workflow_version: int
    environment: str
    title: str
    action: str | None
    summary: str | None
    risk: Risk
    status: Status
    assignees: list[Approver]
    required_approvals: int
    require_passkey: bool
    payload_revision: int
    sla_minutes: int
    due_at: str
    expires_at: str | None
    breached_at: str | None
    on_breach: OnBreach
    escalation: Escalation | None
    started_by: str | None
    requested_at: str
    updated_at: str
    decided_at: str | None
    approved_by: str | None
    rejected_by: str | None
    via_grant_id: str | None


class Approvals(Wire):
    """A page of approvals, newest first."""

    items: list[Summary]
    next_cursor: str | None


class Approval(Summary):
    """An approval with everything. ``statement`` is what a decision signs, ``digest`` its SHA-256."""

    payload: Any
    payload_schema: Any
    original_payload: Any
    payload_diff: list[Change]
    evidence: list[EvidenceItem]
    decisions: list[Decision]
    comments: list[CommentShown]
    statement: str
    digest: str


class Challenge(Wire):
    """What `navigator.credentials.get()` takes; its challenge is the ``digest`` of the statement."""

    approval_id: str
    digest: str
    payload_revision: int
    public_key: dict[str, Any]


class Approved(Wire):
    """An approval that was given."""

    approval_id: str
    status: Literal["approved"]
    approved_by: str
    approved_at: str


class ApprovedWithGrant(Approved):
    """An approval that was given, with a grant that waits to be confirmed."""

    grant: GrantMade


class Rejected(Wire):
    """An approval that was refused."""

    approval_id: str
    status: Literal["rejected"]
    rejected_by: str
    rejected_at: str


class StillPending(Wire):
    """An approval that others have to give, too."""

    approval_id: str
    status: Literal["pending"]
    decisions: list[Decision]
