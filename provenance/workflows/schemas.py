"""What goes in and out of workflows, and the events they leave (spec/automation.md, 5.1)."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
Environment = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$", examples=["production"])]
Definition = Annotated[
    dict[str, Any] | str, Field(description="The definition as JSON, or as a text that holds it in YAML.")
]
FIRST_ENVIRONMENT = "development"


class WorkflowEvent(StrEnum):
    """What can happen to a workflow."""

    CREATED = "workflow.created"
    UPDATED = "workflow.updated"
    DRAFT_SAVED = "workflow.draft_saved"
    PUBLISHED = "workflow.published"
    UNPUBLISHED = "workflow.unpublished"
    PROMOTED = "workflow.promoted"
    SECRET_ROTATED = "workflow.secret_rotated"  # noqa: S105 — the name of an event
    DELETED = "workflow.deleted"


Status = Literal["draft", "deployed"]


class Wire(BaseModel):
    """A body of workflows: snake_case here, camelCase on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class WorkflowCreate(Wire):
    """A new workflow; its draft is the definition, else that of the template, else one trigger."""

    name: Name
    description: str = Field(default="", max_length=4000)
    environment: Environment = FIRST_ENVIRONMENT
    tags: list[Tag] = Field(default=[], max_length=50)
    template_id: str | None = Field(default=None, max_length=64)
    variables: dict[str, str | float | bool] | None = Field(
        default=None, description="Values for variables of the template; the others keep their defaults."
    )
    definition: Definition | None = None


class TriggerSwitch(Wire):
    """Whether triggers of a type start runs."""

    enabled: bool


class TriggerSwitches(Wire):
    """The triggers that can be switched off; what else ``triggerSettings`` shows comes from the definition."""

    webhook: TriggerSwitch | None = None
    schedule: TriggerSwitch | None = None
    event: TriggerSwitch | None = None


class WorkflowUpdate(Wire):
    """The metadata of a workflow; what is left out stays."""

    name: Name | None = None
    description: str | None = Field(default=None, max_length=4000)
    environment: Environment | None = None
    tags: list[Tag] | None = Field(default=None, max_length=50)
    owner_user_id: str | None = Field(default=None, max_length=64)
    max_concurrent_runs: int | None = Field(default=None, ge=1, le=10_000, description="null: no limit")
    trigger_settings: TriggerSwitches | None = None


class LastRun(Wire):
    """The latest run of a workflow."""

    run_id: str
    status: str
    started_at: str


class WorkflowSummary(Wire):
    """A workflow as lists show it."""

    workflow_id: str
    name: str
    status: Status
    version: int
    environment: str
    updated_at: str
    description: str
    tags: list[str]
    live_version: int | None
    has_unpublished_changes: bool
    last_run: LastRun | None


class Workflows(Wire):
    """A page of workflows, the latest changed first."""

    items: list[WorkflowSummary]
    next_cursor: str | None


class WebhookSettings(Wire):
    """The webhook of the live version."""

    enabled: bool
    url: str
    secret_set: bool


class ScheduleSettings(Wire):
    """The schedule of the live version."""

    enabled: bool
    cron: str
    timezone: str
    next_at: str | None


class EventSettings(Wire):
    """The event trigger of the live version."""

    enabled: bool
    topic_pattern: str
    filter: str | None


class TriggerSettings(Wire):
    """How runs of the live version begin; null where it has no such trigger."""

    webhook: WebhookSettings | None
    schedule: ScheduleSettings | None
    event: EventSettings | None


class Stats(Wire):
    """How the workflow's runs of the last 30 days went."""

    runs30d: int = Field(serialization_alias="runs30d")
    success_rate: float | None
    p95_ms: int | None
    cost_usd30d: float = Field(serialization_alias="costUsd30d")


class Workflow(WorkflowSummary):
    """One workflow with the definition of its live version, or of the one that was asked for."""

    workspace_id: str
    owner_user_id: str
    draft_revision: int
    max_concurrent_runs: int | None
    trigger_settings: TriggerSettings
    input_schema: dict[str, Any] | bool | None
    definition: dict[str, Any] | None
    definition_version: int | None
    stats: Stats | None
    created_at: str
    created_by: str
    updated_by: str


class ProblemShown(Wire):
    """One problem of a definition: where, a stable code, a sentence."""

    path: str
    code: str
    issue: str


class DraftSave(Wire):
    """A draft as it shall be; ``draftRevision`` is the one it was made from (or send it as ``If-Match``)."""

    definition: Definition
    draft_revision: int | None = Field(default=None, ge=1)


class Draft(Wire):
    """The draft: ``problems`` keep it from being published, ``warnings`` do not."""

    definition: dict[str, Any]
    draft_revision: int
    based_on_version: int | None
    updated_at: str
    problems: list[ProblemShown]
    warnings: list[ProblemShown]


class RequiredGates(Wire):
    """What publishing insists on: no path reaches an effect of this risk without an approval, by whom where told."""

    risk: Literal["low", "medium", "high", "critical"]
    by: str | None = Field(default=None, pattern=r"^(user|role|group):[A-Za-z0-9_-]{1,64}$", examples=["group:finance"])


class Publish(Wire):
    """What publishing is asked with."""

    note: str = Field(default="", max_length=2000)
    draft_revision: int | None = Field(default=None, ge=1)
    require_gates: RequiredGates | None = None


class Published(Wire):
    """A version that is live now."""

    workflow_id: str
    version: int
    status: Literal["deployed"]
    published_at: str
    published_by: str
    environment: str
    checksum: str


class Unpublished(Wire):
    """A workflow that no version of is live any more."""

    workflow_id: str
    version: int
    status: Literal["draft"]


class Promote(Wire):
    """Where the live version goes."""

    environment: Environment
    note: str = Field(default="", max_length=2000)
    require_gates: RequiredGates | None = None


class Promoted(Published):
    """The version that is live now in the other environment, and which one it is of this."""

    promoted_from: str
    promoted_version: int


class Version(Wire):
    """One published version."""

    version: int
    published_at: str
    published_by: str
    note: str
    checksum: str
    live: bool


class Versions(Wire):
    """A page of versions, the newest first."""

    items: list[Version]
    next_cursor: str | None


class WorkflowDeleted(Wire):
    """A workflow that is gone; its versions stay readable to its runs."""

    workflow_id: str
    deleted: Literal[True]


class WebhookSecretRotate(Wire):
    """A secret that the sender chose; without it one is made."""

    secret: Annotated[
        str | None,
        Field(min_length=16, max_length=256, pattern=r"^[!-~]+$", description="Printable ASCII without blanks."),
    ] = None


class WebhookSecret(Wire):
    """The new webhook secret, shown in this answer alone."""

    secret: str
    created_at: str
    previous_valid_until: str | None
