"""What goes in and out when people register and use passkeys. Options and credentials are WebAuthn's own JSON."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from provenance.core.clock import iso_millis
from provenance.core.door import Exchange
from provenance.core.errors import Invalid
from provenance.core.ids import encode
from provenance.identity.schemas import Wire
from provenance.identity.sessions.schemas import Mode


@dataclass(frozen=True, slots=True)
class Site:
    """The site that passkeys are bound to: PUBLIC_URL, or where the browser says it is."""

    rp_id: str
    origin: str

    @classmethod
    def of(cls, exchange: Exchange, public_url: str | None) -> "Site":
        """Read it from the settings, or from the request: an authenticator answers for its own site alone."""
        try:
            address = urlsplit(public_url or f"{exchange.scheme}://{exchange.header(b'host') or 'localhost'}")
        except ValueError:
            raise Invalid("The Host header names no host.") from None
        return cls(address.hostname or "localhost", f"{address.scheme}://{address.netloc}")


class Challenge(Wire):
    """What the browser's ``navigator.credentials`` takes, and the token that goes with its answer."""

    challenge_id: str
    public_key: dict[str, Any] = Field(description="Options of WebAuthn, binary values in base64url.")


class Registration(Wire):
    """The answer of ``navigator.credentials.create()``, and what to call the passkey."""

    challenge_id: SecretStr
    credential: dict[str, Any]
    name: str = Field(default="Passkey", min_length=1, max_length=100)


class Assertion(Wire):
    """The answer of ``navigator.credentials.get()``."""

    challenge_id: SecretStr
    credential: dict[str, Any]
    mode: Mode = Mode.TOKEN


class Passkey(Wire):
    """A passkey as its owner sees it."""

    passkey_id: str
    name: str
    created_at: str
    last_used_at: str | None


class Passkeys(Wire):
    """A person's passkeys, at most fifty."""

    items: list[Passkey]
    next_cursor: str | None = None


class Removed(Wire):
    """The answer to removing a passkey."""

    passkey_id: str
    removed: bool


def shown(row: Any) -> Passkey:
    """Return a passkey's row as its owner sees it."""
    return Passkey(
        passkey_id=encode("pky", row.id),
        name=row.name,
        created_at=iso_millis(row.created_at),
        last_used_at=None if row.last_used_at is None else iso_millis(row.last_used_at),
    )
