"""Secrets on the wire and in hand (spec/automation.md, 4.12 and 5.11)."""

import uuid
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from provenance.core.clock import NANOS, iso_millis
from provenance.core.cursors import DEFAULT_LIMIT, MAX_LIMIT
from provenance.core.ids import encode

PREFIX = "sec"
DAY_NS = 86_400 * NANOS
NAME_PATTERN = r"^[A-Za-z0-9_]([A-Za-z0-9_ ./-]{0,126}[A-Za-z0-9_])?$"


class SecretEvent(StrEnum):
    """What can happen to a secret."""

    CREATED = "secret.created"
    UPDATED = "secret.updated"
    ROTATED = "secret.rotated"
    ACCESSED = "secret.accessed"
    REVEALED = "secret.revealed"
    ROTATION_DUE = "secret.rotation_due"
    DELETED = "secret.deleted"


class SecretType(StrEnum):
    """What kind of credential a secret holds."""

    API_KEY = "api_key"
    PASSWORD = "password"  # noqa: S105 — the name of a type
    TOKEN = "token"  # noqa: S105 — the name of a type
    CERTIFICATE = "certificate"
    JSON = "json"
    GENERIC = "generic"


GENERATED_TYPES = frozenset({SecretType.PASSWORD, SecretType.TOKEN, SecretType.GENERIC})


class Mode(StrEnum):
    """How a secret gets its next value: by hand, by hand when an interval is over, or made here."""

    MANUAL = "manual"
    INTERVAL = "interval"
    GENERATED = "generated"


class Purpose(NamedTuple):
    """What a secret is used for: the kind of thing and its id, such as ``connection`` and ``conn_…``."""

    kind: str
    id: str


class Row(NamedTuple):
    """A secret as stored, without any value. Times are nanoseconds since the epoch."""

    id: uuid.UUID
    name: str
    type: str
    description: str | None
    tags: Sequence[str]
    version: int
    rotation_mode: str
    every_days: int | None
    grace_minutes: int
    next_at: int | None
    last_at: int | None
    due_told_at: int | None
    last_accessed_at: int | None
    created_at: int
    created_by: str
    updated_at: int
    updated_by: str

    @property
    def wire_id(self) -> str:
        """The id as it reads outside."""
        return encode(PREFIX, self.id)


class Stored(NamedTuple):
    """One version as stored; ``sealed`` is None once it is retired."""

    version: int
    sealed: bytes | None
    created_at: int
    valid_until: int | None


class Wire(BaseModel):
    """A body or an answer of these routes: snake_case here, camelCase on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class _Strict(Wire):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class RotationInput(_Strict):
    """How a secret is to rotate. In an update what is left out stays."""

    mode: Mode | None = None
    every_days: Annotated[int | None, Field(ge=1, le=3650)] = None
    grace_minutes: Annotated[int | None, Field(ge=0, le=43_200)] = None


Tags = Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=32)]
Value = Annotated[
    str | dict[str, Any] | list[Any] | None,
    Field(repr=False, description="A text; of the type json any object or array. At most 64 KiB. Never answered."),
]
Description = Annotated[str | None, Field(max_length=2_000)]


class SecretCreate(_Strict):
    """A secret to be kept. Without a value it is generated, if its rotation is."""

    name: Annotated[str, Field(pattern=NAME_PATTERN, examples=["stripe.live-key"])]
    type: SecretType
    value: Value = None
    description: Description = None
    rotation: RotationInput | None = None
    tags: Tags = []


class SecretUpdate(_Strict):
    """What is to change; a value makes a new version."""

    description: Description = None
    rotation: RotationInput | None = None
    tags: Tags | None = None
    value: Value = None


class SecretRotate(_Strict):
    """The new value; none where it is generated."""

    value: Value = None


class SecretReveal(_Strict):
    """Why a value is looked at; the reason is recorded."""

    reason: Annotated[str, Field(min_length=1, max_length=1_000)]


class Asked(BaseModel):
    """The query of a page of secrets."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    type: SecretType | None = None
    due_before: Annotated[AwareDatetime | None, Field(description="Rotation due before this moment.")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    cursor: Annotated[str | None, Field(max_length=512, description="nextCursor of the page before.")] = None


class Rotation(Wire):
    """How a secret rotates, and when it last did."""

    mode: Mode
    every_days: int | None
    next_at: str | None
    last_at: str | None
    grace_minutes: int


class UsedBy(Wire):
    """Something that refers to the secret."""

    kind: str
    id: str
    since: str


class Secret(Wire):
    """A secret's metadata. Its value is in no answer but that of ``reveal``."""

    secret_id: str
    workspace_id: str
    name: str
    type: SecretType
    description: str | None
    tags: list[str]
    version: int
    rotation: Rotation
    last_accessed_at: str | None
    used_by: list[UsedBy]
    created_at: str
    created_by: str
    updated_at: str
    updated_by: str


class Version(Wire):
    """One version: the current one, the one before while its grace lasts, or a retired one, whose value is gone."""

    version: int
    created_at: str
    state: Literal["current", "previous", "retired"]


class SecretDetail(Secret):
    """A secret's metadata with its versions, newest first."""

    versions: list[Version]


class Secrets(Wire):
    """A page of secrets, newest first."""

    items: list[Secret]
    next_cursor: str | None


class Rotated(Wire):
    """A rotation that was done."""

    secret_id: str
    version: int
    rotated_at: str
    next_rotation_at: str | None


class Deleted(Wire):
    """A secret that is gone; its values are destroyed at ``purgeAt``."""

    deleted: Literal[True]
    purge_at: str


class Revealed(Wire):
    """A value, to be shown for a minute and kept nowhere."""

    value: str | dict[str, Any] | list[Any]
    version: int
    expires_in_seconds: int


def moment(ns: int | None) -> str | None:
    """Write a moment that may not have come."""
    return None if ns is None else iso_millis(ns)


def shown(row: Row, workspace_id: uuid.UUID, used_by: Sequence[UsedBy]) -> Secret:
    """Return a secret as it reads on the wire."""
    return Secret(
        secret_id=row.wire_id,
        workspace_id=encode("ws", workspace_id),
        name=row.name,
        type=SecretType(row.type),
        description=row.description,
        tags=list(row.tags),
        version=row.version,
        rotation=Rotation(
            mode=Mode(row.rotation_mode),
            every_days=row.every_days,
            next_at=moment(row.next_at),
            last_at=moment(row.last_at),
            grace_minutes=row.grace_minutes,
        ),
        last_accessed_at=moment(row.last_accessed_at),
        used_by=list(used_by),
        created_at=iso_millis(row.created_at),
        created_by=row.created_by,
        updated_at=iso_millis(row.updated_at),
        updated_by=row.updated_by,
    )


def shown_version(found: Stored, now: int) -> Version:
    """Return a version as it reads on the wire."""
    state: Literal["current", "previous", "retired"] = "current"
    if found.valid_until is not None:
        state = "previous" if found.valid_until > now and found.sealed is not None else "retired"
    return Version(version=found.version, created_at=iso_millis(found.created_at), state=state)
