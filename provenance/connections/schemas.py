"""Connections on the wire and in hand (spec/automation.md, 4.5 and 5.7)."""

import uuid
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from provenance.core.clock import iso_millis
from provenance.core.cursors import DEFAULT_LIMIT, MAX_LIMIT
from provenance.core.ids import encode

PREFIX = "conn"


class ConnectionEvent(StrEnum):
    """What can happen to a connection."""

    CREATED = "connection.created"
    UPDATED = "connection.updated"
    AUTHORIZED = "connection.authorized"
    ACCESSED = "connection.accessed"
    TESTED = "connection.tested"
    ERROR = "connection.error"
    DELETED = "connection.deleted"


class Status(StrEnum):
    """Where a connection stands: not authorised yet, in use, held by hand, or not accepted any more."""

    PENDING = "pending"
    ACTIVE = "active"
    PAUSED = "paused"
    ERROR = "error"


class AuthKind(StrEnum):
    """How a connection proves who it is."""

    OAUTH2 = "oauth2"
    API_KEY = "api_key"
    SERVICE_ACCOUNT = "service_account"


class Row(NamedTuple):
    """A connection as stored, what is secret of it sealed. Times are nanoseconds since the epoch."""

    id: uuid.UUID
    name: str
    integration: str
    auth_type: Literal["oauth2", "api_key", "service_account"]
    environment: str | None
    config: Mapping[str, Any]
    status: str
    account_id: str | None
    account_label: str | None
    scopes: Sequence[str]
    credential_sealed: bytes | None
    tokens_sealed: bytes | None
    tokens_revision: int
    expires_at: int | None
    last_refreshed_at: int | None
    last_used_at: int | None
    last_error: str | None
    created_at: int
    created_by: str
    updated_at: int
    updated_by: str

    @property
    def wire_id(self) -> str:
        """The id as it reads outside."""
        return encode(PREFIX, self.id)


class Wire(BaseModel):
    """A body or an answer of these routes: snake_case here, camelCase on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class _Strict(Wire):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
Credential = Annotated[
    str | dict[str, str | dict[str, str]] | None,
    Field(repr=False, description="Write-only. A text may refer to a secret: {{secrets.NAME}}."),
]


class ConnectionCreate(_Strict):
    """A connection to be made. What its config and credential hold depends on the integration."""

    name: Name
    integration: Annotated[str, Field(max_length=64, examples=["slack"])]
    auth_type: Annotated[str, Field(max_length=64, examples=["oauth2"])]
    config: dict[str, Any] = {}
    credential: Credential = None
    environment: Annotated[str | None, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")] = None


class ConnectionUpdate(_Strict):
    """What is to change. The config is merged member by member, null removes one; a credential replaces the old."""

    name: Name | None = None
    config: dict[str, Any] | None = None
    credential: Credential = None
    status: Literal["active", "paused"] | None = None


class AuthorizeAsked(_Strict):
    """How an authorisation is to be asked for, and where the browser goes when it is done."""

    redirect_uri: Annotated[str | None, Field(max_length=2_048)] = None
    scopes: Annotated[list[Annotated[str, Field(pattern=r"^[!#-\[\]-~]{1,256}$")]] | None, Field(max_length=64)] = None


class Asked(BaseModel):
    """The query of a page of connections."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    integration: Annotated[str | None, Field(max_length=64)] = None
    status: Status | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    cursor: Annotated[str | None, Field(max_length=512, description="nextCursor of the page before.")] = None


class Account(Wire):
    """Whose account at the service the connection works with."""

    id: str
    label: str | None


class ConnectionUse(Wire):
    """Something that works with the connection, such as a live workflow."""

    kind: str
    id: str


class Connection(Wire):
    """A connection without its credential, which is in no answer."""

    connection_id: str
    workspace_id: str
    name: str
    integration: str
    auth_type: AuthKind
    environment: str | None
    status: Status
    config: dict[str, Any]
    account: Account | None
    scopes: list[str]
    expires_at: str | None
    last_refreshed_at: str | None
    last_used_at: str | None
    last_error: str | None
    used_by: list[ConnectionUse]
    created_at: str
    created_by: str
    updated_at: str
    updated_by: str


class Connections(Wire):
    """A page of connections, newest first."""

    items: list[Connection]
    next_cursor: str | None


class Deleted(Wire):
    """A connection that is gone."""

    deleted: Literal[True]


class Authorization(Wire):
    """Where to send the person, and until when."""

    authorization_url: str
    state: str
    expires_at: str


class Tested(Wire):
    """How a trial went."""

    ok: bool
    status: Status
    checked_at: str
    latency_ms: int
    account: Account | None
    error: str | None


def moment(ns: int | None) -> str | None:
    """Write a moment that may not have come."""
    return None if ns is None else iso_millis(ns)


def account_of(row: Row) -> Account | None:
    """Return whose account a connection works with, as far as it is known."""
    return None if row.account_id is None else Account(id=row.account_id, label=row.account_label)


def shown(row: Row, workspace_id: uuid.UUID, used_by: Sequence[ConnectionUse]) -> Connection:
    """Return a connection as it reads on the wire."""
    return Connection(
        connection_id=row.wire_id,
        workspace_id=encode("ws", workspace_id),
        name=row.name,
        integration=row.integration,
        auth_type=AuthKind(row.auth_type),
        environment=row.environment,
        status=Status(row.status),
        config=dict(row.config),
        account=account_of(row),
        scopes=list(row.scopes),
        expires_at=moment(row.expires_at),
        last_refreshed_at=moment(row.last_refreshed_at),
        last_used_at=moment(row.last_used_at),
        last_error=row.last_error,
        used_by=list(used_by),
        created_at=iso_millis(row.created_at),
        created_by=row.created_by,
        updated_at=iso_millis(row.updated_at),
        updated_by=row.updated_by,
    )
