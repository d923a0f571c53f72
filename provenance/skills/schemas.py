"""Skills on the wire and in hand (spec/automation.md, 4.2 and 5.4)."""

import uuid
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from provenance.core.clock import iso_millis
from provenance.core.cursors import DEFAULT_LIMIT, MAX_LENGTH, MAX_LIMIT
from provenance.core.ids import encode
from provenance.skills.sandbox.schemas import LogLine, Runtime

PREFIX = "skl"
PACKAGE_PREFIX = "skp"
PACKAGE_BYTES = 50 * 1024 * 1024
NAME_PATTERN = r"^[a-z][a-z0-9_-]{1,63}$"
ALIASES = {"python3.12": "python3", "node22": "node"}

Level = Literal["low", "medium", "high"]
RiskLevel = Literal["low", "medium", "high", "critical"]
State = Literal["draft", "ready", "disabled"]


class SkillEvent(StrEnum):
    """What can happen to a skill."""

    CREATED = "skill.created"
    UPDATED = "skill.updated"
    DELETED = "skill.deleted"
    EXECUTED = "skill.executed"
    PACKAGE_UPLOADED = "skill.package_uploaded"


class Row(NamedTuple):
    """A skill as stored. Times are nanoseconds since the epoch."""

    id: uuid.UUID
    name: str
    description: str
    runtime: str
    handler: str | None
    input_schema: Any
    output_schema: Any
    connection_id: str | None
    secret_refs: Sequence[str]
    trust_level: Level
    risk_level: RiskLevel
    limits: Mapping[str, Any]
    egress: Mapping[str, Any]
    package_id: uuid.UUID | None
    status: State
    version: int
    revision: int
    created_at: int
    created_by: str
    updated_at: int
    updated_by: str

    @property
    def wire_id(self) -> str:
        """The id as it reads outside."""
        return encode(PREFIX, self.id)


class VersionRow(NamedTuple):
    """What a call of a version does, as stored; it never changes."""

    skill_id: uuid.UUID
    version: int
    runtime: str
    handler: str
    input_schema: Any
    output_schema: Any
    connection_id: str | None
    secret_refs: Sequence[str]
    limits: Mapping[str, Any]
    egress: Mapping[str, Any]
    package_id: uuid.UUID
    created_at: int
    created_by: str

    @property
    def wire_id(self) -> str:
        """The skill's id as it reads outside."""
        return encode(PREFIX, self.skill_id)


VERSIONED = ("runtime", "handler", "input_schema", "output_schema", "connection_id", "secret_refs", "limits", "egress")
"""Columns of a skill whose change makes a version, beside its package."""


class PackageRow(NamedTuple):
    """A package as stored; without a manifest it was not uploaded yet."""

    id: uuid.UUID
    skill_id: uuid.UUID
    file_name: str
    size: int
    sha256: bytes
    manifest: Any
    runtime_version: str | None
    expires_at: int
    created_at: int
    created_by: str
    uploaded_at: int | None


class Wire(BaseModel):
    """A body or an answer of these routes: snake_case here, camelCase on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class _Strict(Wire):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class Limits(_Strict):
    """What one call may use."""

    timeout_seconds: Annotated[float, Field(gt=0, le=900)] = 30
    memory_mb: Annotated[int, Field(ge=16, le=2048)] = 256
    cpu: Annotated[int, Field(ge=1, le=16, description="Processors; times timeoutSeconds it is the CPU time.")] = 1
    tmp_mb: Annotated[int, Field(ge=1, le=1024)] = 64


Host = Annotated[str, Field(pattern=r"^(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?$", max_length=255)]


class Egress(_Strict):
    """Where a call may go: to no host, or to those of a list."""

    mode: Literal["none", "allowlist"] = "none"
    hosts: Annotated[list[Host], Field(max_length=100, description="Such as api.example.com or *.example.com.")] = []


SecretRefs = Annotated[list[Annotated[str, Field(min_length=1, max_length=128)]], Field(max_length=20)]
RuntimeWord = Annotated[
    Literal["python3", "node", "wasm", "python3.12", "node22"], Field(description="python3, node or wasm.")
]
Description = Annotated[str, Field(max_length=4_000, description="Shown to the model that may call it.")]
Schema = dict[str, Any] | bool


class SkillCreate(_Strict):
    """A skill to be made; its code comes as a package."""

    name: Annotated[str, Field(pattern=NAME_PATTERN, examples=["parse_invoice"])]
    description: Description = ""
    runtime: RuntimeWord = "python3"
    handler: Annotated[str | None, Field(max_length=256)] = None
    input_schema: Schema = True
    output_schema: Schema | None = None
    connection_id: str | None = None
    secret_refs: SecretRefs = []
    trust_level: Level = "medium"
    risk_level: RiskLevel = "medium"
    limits: Limits = Limits()
    egress: Egress = Egress()


class SkillUpdate(_Strict):
    """What is to change. Schemas, limits, egress, connection, secrets and code make a version."""

    name: Annotated[str | None, Field(pattern=NAME_PATTERN)] = None
    description: Description | None = None
    input_schema: Schema | None = None
    output_schema: Schema | None = None
    connection_id: str | None = None
    secret_refs: SecretRefs | None = None
    trust_level: Level | None = None
    risk_level: RiskLevel | None = None
    limits: Limits | None = None
    egress: Egress | None = None
    status: Literal["ready", "disabled"] | None = None
    activate_package: Annotated[str | None, Field(description="A package that was uploaded: skp_….")] = None


class UploadAsk(_Strict):
    """The package that is to be uploaded."""

    file_name: Annotated[str, Field(min_length=1, max_length=255)]
    size_bytes: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Upload(Wire):
    """Where a package is to be sent, once, within 15 minutes."""

    upload_url: str
    method: Literal["PUT"]
    headers: dict[str, str]
    package_id: str
    expires_at: str


class Uploaded(Wire):
    """A package that arrived; ``active`` tells whether the skill's calls use it from now on."""

    package_id: str
    skill_id: str
    version: int
    sha256: str
    size_bytes: int
    handler: str
    active: bool


class RunAsk(_Strict):
    """A call: the input, and the version where it is not the current one."""

    input: Any = None
    version: Annotated[int | None, Field(ge=1)] = None
    timeout_seconds: Annotated[float | None, Field(gt=0, le=900, description="Less than the skill's limit.")] = None


class Line(Wire):
    """A line that the skill wrote."""

    at: str
    level: str
    message: str


class Fault(Wire):
    """Why a call gave no output: a stable word, and one line for people."""

    code: str
    message: str


class Ran(Wire):
    """What became of a call."""

    skill_id: str
    version: int
    status: Literal["succeeded", "failed"]
    output: Any
    logs: list[Line]
    duration_ms: int
    error: Fault | None


class Asked(BaseModel):
    """The query of a page of skills."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    runtime: RuntimeWord | None = None
    trust_level: Level | None = None
    q: Annotated[str | None, Field(max_length=200, description="Part of the name or description.")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    cursor: Annotated[str | None, Field(max_length=MAX_LENGTH, description="nextCursor of the page before.")] = None


class Skill(Wire):
    """A skill, or what a version of it does."""

    skill_id: str
    workspace_id: str
    name: str
    description: str
    runtime: str
    runtime_version: str | None
    handler: str | None
    input_schema: Schema
    output_schema: Schema | None
    connection_id: str | None
    secret_refs: list[str]
    trust_level: Level
    risk_level: RiskLevel
    limits: Limits
    egress: Egress
    package_id: str | None
    package_sha256: str | None
    status: State
    version: int
    created_at: str
    created_by: str
    updated_at: str
    updated_by: str


class Skills(Wire):
    """A page of skills, newest first."""

    items: list[Skill]
    next_cursor: str | None


class Deleted(Wire):
    """A skill that is gone."""

    skill_id: str
    deleted: Literal[True]


def runtime_of(word: str) -> Runtime:
    """Read a runtime, by its alias too."""
    return Runtime(ALIASES.get(word, word))


def shown(row: Row, workspace_id: uuid.UUID, package: PackageRow | None) -> Skill:
    """Return a skill as it reads on the wire."""
    return Skill(
        skill_id=row.wire_id,
        workspace_id=encode("ws", workspace_id),
        name=row.name,
        description=row.description,
        runtime=row.runtime,
        runtime_version=None if package is None else package.runtime_version,
        handler=row.handler,
        input_schema=row.input_schema,
        output_schema=row.output_schema,
        connection_id=row.connection_id,
        secret_refs=list(row.secret_refs),
        trust_level=row.trust_level,
        risk_level=row.risk_level,
        limits=Limits.model_validate(row.limits),
        egress=Egress.model_validate(row.egress),
        package_id=None if row.package_id is None else encode(PACKAGE_PREFIX, row.package_id),
        package_sha256=None if package is None else package.sha256.hex(),
        status=row.status,
        version=row.version,
        created_at=iso_millis(row.created_at),
        created_by=row.created_by,
        updated_at=iso_millis(row.updated_at),
        updated_by=row.updated_by,
    )


def shown_line(line: LogLine) -> Line:
    """Return a line of a log as it reads on the wire."""
    return Line(at=iso_millis(line.at), level=line.level, message=line.message)
