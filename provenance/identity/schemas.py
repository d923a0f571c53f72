"""Keys and people as identity knows them, and the events they leave."""

import re
import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from provenance.core.actor import Actor, Kind, Network, Role
from provenance.core.ids import encode, random_letters
from provenance.identity.errors import WeakKey

_KEY = re.compile(r"pv_([A-Za-z0-9]{8,32})_([A-Za-z0-9]{32,128})", re.ASCII)
SYSTEM = "system"


class IdentityEvent(StrEnum):
    """What can happen to people and keys."""

    PERSON_CREATED = "person.created"
    KEY_CREATED = "apikey.created"
    KEY_REVOKED = "apikey.revoked"


class AuthEvent(StrEnum):
    """What can happen when people sign in and look after their account."""

    LOGIN = "auth.login"
    LOGIN_FAILED = "auth.login_failed"
    LOGOUT = "auth.logout"
    MFA_CHANGED = "auth.mfa_changed"
    PASSWORD_RESET = "auth.password_reset"  # noqa: S105 — the name of an event
    PASSKEY_CHANGED = "auth.passkey_changed"


class MemberEvent(StrEnum):
    """What can happen between a person and a workspace."""

    INVITED = "member.invited"
    JOINED = "member.joined"
    ROLE_CHANGED = "member.role_changed"
    REMOVED = "member.removed"
    ERASED = "member.erased"


class Wire(BaseModel):
    """A body of identity: snake_case here, camelCase on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Status(StrEnum):
    """Where a membership stands."""

    INVITED = "invited"
    ACTIVE = "active"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key in hand: its public id and its secret, which is shown once and stored as a digest."""

    id: str
    secret: str = field(repr=False)

    @classmethod
    def random(cls) -> "ApiKey":
        """Make a key: 20 letters of id, 43 of secret (256 bits)."""
        return cls(random_letters(20), random_letters(43))

    @classmethod
    def parse(cls, text: str) -> "ApiKey | None":
        """Read a key as a client sends it; None when it has another form."""
        match = _KEY.fullmatch(text)
        return None if match is None else cls(match.group(1), match.group(2))

    @classmethod
    def chosen(cls, text: str) -> "ApiKey":
        """Read a key that an operator chose. Raises WeakKey, without repeating the key."""
        key = cls.parse(text)
        if key is None or len(set(key.secret)) < 8:
            raise WeakKey(
                "The API key must read pv_<id>_<secret>: the id 8 to 32, the secret 32 to 128 letters or digits, "
                "at least 8 of them different."
            )
        return key

    @property
    def text(self) -> str:
        """The key as a client sends it."""
        return f"pv_{self.id}_{self.secret}"

    @property
    def digest(self) -> bytes:
        """What is stored of the secret: its SHA-256."""
        return sha256(self.secret.encode()).digest()


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as stored."""

    id: str
    workspace_id: uuid.UUID
    digest: bytes = field(repr=False)
    scopes: frozenset[str]
    revoked: bool
    expires_at: int | None
    networks: tuple[Network, ...] | None


@dataclass(frozen=True, slots=True)
class Person:
    """A person as stored, with the sealed values opened. ``email`` is None once the person is erased."""

    id: uuid.UUID
    email: str | None = field(repr=False)
    name: str | None = field(repr=False)
    password_hash: str | None = field(repr=False)
    created_at: int

    @property
    def wire_id(self) -> str:
        """The id as rows and answers carry it, ``user_…``."""
        return encode("user", self.id)


@dataclass(frozen=True, slots=True)
class Membership:
    """A person's place in one workspace."""

    workspace_id: uuid.UUID
    slug: str
    name: str
    role: Role
    groups: tuple[str, ...]
    status: Status

    @property
    def wire_id(self) -> str:
        """The workspace's id as it reads outside, ``ws_…``."""
        return encode("ws", self.workspace_id)

    def actor(self, person_id: uuid.UUID) -> Actor:
        """Return the person as the actor of this workspace."""
        return Actor(
            Kind.PERSON,
            encode("user", person_id),
            self.workspace_id,
            role=self.role,
            groups=frozenset(self.groups),
            person=person_id,
        )


def nobody(workspace_id: uuid.UUID) -> Actor:
    """Return the actor of what happens before anyone is known, in the installation's workspace."""
    return Actor(Kind.SYSTEM, SYSTEM, workspace_id)
