"""Workspaces as other features know them, what goes in and out of their routes, and the events they leave."""

import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from provenance.core.ids import encode

LEAST_RETENTION_DAYS = 7
SLUG = r"^[a-z][a-z0-9-]{1,62}$"

RiskName = Literal["low", "medium", "high", "critical"]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class WorkspaceEvent(StrEnum):
    """What can happen to a workspace."""

    CREATED = "workspace.created"
    UPDATED = "workspace.updated"
    SWITCHED = "workspace.switched"


@dataclass(frozen=True, slots=True)
class Workspace:
    """One workspace: ``id`` inside, ``wire_id`` (``ws_…``) in envelopes and on the wire."""

    id: uuid.UUID
    slug: str
    name: str

    @property
    def wire_id(self) -> str:
        """The id as it reads outside, fixed for ever."""
        return encode("ws", self.id)


class Wire(BaseModel):
    """A body of workspaces: snake_case here, camelCase on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class ApprovalRules(NamedTuple):
    """What a workspace says of approvals: ``default_approvers`` as ``kind:id``, ``passkey_from`` a risk or None."""

    self_approval: bool
    default_approvers: tuple[str, ...]
    passkey_from: str | None


class Approver(Wire):
    """Who is asked to approve where a workflow names nobody: a person, everyone of a role, or a group."""

    kind: Literal["user", "role", "group"]
    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", examples=["approvers"])

    @property
    def text(self) -> str:
        """How it is stored."""
        return f"{self.kind}:{self.id}"

    @classmethod
    def parse(cls, stored: str) -> "Approver":
        """Read what `text` wrote."""
        kind, _, name = stored.partition(":")
        return cls.model_validate({"kind": kind, "id": name})


class WorkspaceCreate(Wire):
    """A new workspace."""

    name: Name
    slug: str = Field(pattern=SLUG, description="Names the workspace in links and its log; it never changes.")
    default_region: str = Field(default="local", min_length=1, max_length=64)


class WorkspaceUpdate(Wire):
    """A workspace's settings as they shall be. Those below ``dataRetentionDays`` stay as they are when left out."""

    name: Name
    slug: str | None = Field(default=None, description="May be sent back as it was read; never changes.")
    default_region: str = Field(min_length=1, max_length=64)
    data_retention_days: int = Field(ge=LEAST_RETENTION_DAYS, le=36_500, description="How long runs keep their data.")
    self_approval: bool | None = Field(
        default=None, description="Whether who started a run may approve its steps of high risk."
    )
    require_fresh_login_minutes: int | None = Field(
        default=None, ge=1, le=1440, description="How recent a sign-in must be for sensitive acts; null: the server's."
    )
    default_approvers: list[Approver] | None = Field(default=None, max_length=32)
    require_passkey_from: RiskName | None = Field(
        default=None, description="The least risk whose approvals have to be signed with a passkey; null: none."
    )


class Features(Wire):
    """What this installation is set up for."""

    mail: bool
    single_sign_on: bool


class WorkspaceDetails(Wire):
    """A workspace with its settings (spec/automation.md, 5.12)."""

    workspace_id: str
    name: str
    slug: str
    default_region: str
    data_retention_days: int
    plan: str
    features: Features
    self_approval: bool
    require_fresh_login_minutes: int
    default_approvers: list[Approver]
    require_passkey_from: RiskName | None
    created_at: str
    created_by: str
    updated_at: str
    updated_by: str
