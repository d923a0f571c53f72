"""What goes in and out of API keys."""

from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from provenance.core.actor import Scope
from provenance.identity.schemas import Wire

MOST_NETWORKS = 64


def _network(text: str) -> str:
    """Return a network in its usual spelling; an address is a network of one."""
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        raise ValueError("is no IP address or network such as 10.0.0.0/8") from None


class ApiKeyCreate(Wire):
    """A new API key."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope))
    expires_at: AwareDatetime | None = Field(default=None, description="ISO 8601 with an offset; left out: never.")
    ip_allow_list: list[Annotated[str, AfterValidator(_network)]] | None = Field(
        default=None,
        max_length=MOST_NETWORKS,
        description="Addresses and networks that the key may be used from; left out or empty: any.",
        examples=[["10.0.0.0/8"]],
    )


class ApiKeyDetails(Wire):
    """An API key as lists show it. ``prefix`` is how the key begins, ``lastUsedAt`` is exact to a minute or two."""

    key_id: str
    name: str
    scopes: list[Scope]
    prefix: str
    created_at: str
    created_by: str
    last_used_at: str | None
    revoked_at: str | None
    expires_at: str | None
    ip_allow_list: list[str]


class ApiKeyMade(ApiKeyDetails):
    """An API key that was just made; ``key`` is shown this once."""

    key: str


class ApiKeys(Wire):
    """A page of API keys, newest first."""

    items: list[ApiKeyDetails]
    next_cursor: str | None


class ApiKeyRevoked(Wire):
    """An API key that is worth nothing any more."""

    key_id: str
    revoked_at: str
