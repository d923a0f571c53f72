"""What goes in and out when people sign in, and what a sign-in is made of."""

import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, SecretStr

from provenance.core.door import Exchange
from provenance.identity.schemas import Membership, Person, Wire

REFUSED: dict[int | str, dict[str, Any]] = {
    status: {
        "description": text,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, text in {
        401: "What was sent does not prove who you are.",
        403: "The person may not.",
        429: "Too many attempts; Retry-After tells when to try again.",
    }.items()
}
"""The refusals that open routes answer besides the usual ones, for the API's description."""


class Mode(StrEnum):
    """Where the refresh token goes: into the answer, or into a cookie that scripts can't read."""

    TOKEN = "token"  # noqa: S105 — the name of a mode
    BROWSER = "browser"


class Method(StrEnum):
    """How a person proved who they are."""

    PASSWORD = "password"  # noqa: S105 — the name of a method
    OTP = "otp"
    PASSKEY = "passkey"
    OIDC = "oidc"
    DEVICE = "device"
    INVITATION = "invitation"


class Login(Wire):
    """An attempt to sign in with a password."""

    email: str = Field(min_length=1, max_length=320)
    password: SecretStr = Field(min_length=1, max_length=1024)
    otp: SecretStr | None = Field(default=None, description="One-time code or recovery code, if the account has them.")
    mode: Mode = Mode.TOKEN
    workspace_id: str | None = Field(default=None, description="Workspace to sign in to; else the one seen last.")


class Refresh(Wire):
    """A refresh token; left out where it is in the cookie."""

    refresh_token: SecretStr | None = None

    @property
    def token(self) -> str | None:
        """The token itself, or None."""
        return None if self.refresh_token is None else self.refresh_token.get_secret_value()


class SignedInUser(Wire):
    """The person in the answer to a sign-in."""

    user_id: str
    email: str
    name: str | None


class SignedInWorkspace(Wire):
    """The workspace that the access token is for."""

    workspace_id: str
    slug: str
    role: Literal["viewer", "editor", "admin"]


class SignedIn(Wire):
    """The answer to a sign-in. ``refreshToken`` is null where it was set as a cookie."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    refresh_token: str | None
    user: SignedInUser
    workspace: SignedInWorkspace


class SignedOut(Wire):
    """The answer to a logout, whatever was sent."""

    signed_out: bool


class Jwks(Wire):
    """The public keys of access tokens (RFC 7517)."""

    keys: list[dict[str, Any]]


class MyMembership(Wire):
    """One of the workspaces a person belongs to."""

    workspace_id: str
    slug: str
    name: str
    role: Literal["viewer", "editor", "admin"]
    groups: list[str]
    status: Literal["invited", "active", "erased"]


class Mfa(Wire):
    """What a person signs in with besides the password."""

    totp: bool
    passkeys: int
    recovery_codes_left: int


class Me(Wire):
    """A person's own account."""

    user_id: str
    email: str
    name: str | None
    created_at: str
    has_password: bool
    memberships: list[MyMembership]
    mfa: Mfa


class Session(Wire):
    """Who is signed in, where, and what they may do there."""

    user: SignedInUser
    workspace: SignedInWorkspace
    role: Literal["viewer", "editor", "admin"]
    groups: list[str]
    permissions: list[str] = Field(description="Operation ids that this person may call here.")
    signed_in_at: str


@dataclass(frozen=True, slots=True)
class Started:
    """A session that began or went on: what the answer and the cookie are made of."""

    access_token: str
    seconds: int
    refresh_token: str = field(repr=False)
    refresh_seconds: int
    mode: Mode
    person: Person
    membership: Membership

    @property
    def answer(self) -> SignedIn:
        """The answer's body."""
        return SignedIn(
            access_token=self.access_token,
            token_type="Bearer",  # noqa: S106 — the scheme
            expires_in=self.seconds,
            refresh_token=None if self.mode is Mode.BROWSER else self.refresh_token,
            user=shown_person(self.person),
            workspace=shown_workspace(self.membership),
        )


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a sign-in comes from: the client's address, and whether the way to us is encrypted."""

    address: str | None
    secure: bool

    @classmethod
    def of(cls, exchange: Exchange, public_url: str | None) -> "Caller":
        """Read it from the exchange; a public address with https means that a proxy before us encrypts."""
        return cls(exchange.client_ip, exchange.scheme == "https" or (public_url or "").startswith("https:"))


def shown_person(person: Person) -> SignedInUser:
    """Return a person as answers show them."""
    return SignedInUser(user_id=person.wire_id, email=person.email or "", name=person.name)


def shown_workspace(membership: Membership) -> SignedInWorkspace:
    """Return a workspace as answers show it."""
    return SignedInWorkspace(workspace_id=membership.wire_id, slug=membership.slug, role=role_word(membership))


def role_word(membership: Membership) -> Literal["viewer", "editor", "admin"]:
    """Return a role's word on the wire."""
    words: dict[str, Literal["viewer", "editor", "admin"]] = {"VIEWER": "viewer", "EDITOR": "editor", "ADMIN": "admin"}
    return words[membership.role.name]


@dataclass(frozen=True, slots=True)
class Proof:
    """Who proved to be somebody, and how."""

    person: Person
    methods: tuple[Method, ...]
    workspace_id: uuid.UUID | None = None
