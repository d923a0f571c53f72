"""What goes in and out of bus keys, and their form: ``pvb_<id>_<secret>`` (spec/automation.md, 8.5)."""

import re
from hashlib import sha256
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from provenance.bus.messages.schemas import Wire
from provenance.bus.topics import PATTERN_RULE, is_pattern
from provenance.core.ids import random_letters

PREFIX = "bkey_"
Action = Literal["publish", "pull"]
_KEY = re.compile(r"pvb_([A-Za-z0-9]{20})_([A-Za-z0-9]{43})")


def _pattern(text: str) -> str:
    if not is_pattern(text):
        raise ValueError(PATTERN_RULE)
    return text


class BusKey(NamedTuple):
    """A key in hand: its public id and its secret, which is shown once and stored as a digest."""

    id: str
    secret: str

    @classmethod
    def random(cls) -> "BusKey":
        """Make a key: 20 letters of id, 43 of secret (256 bits)."""
        return cls(random_letters(20), random_letters(43))

    @classmethod
    def parse(cls, text: str) -> "BusKey | None":
        """Read a key as a client sends it; None when it has another form."""
        match = _KEY.fullmatch(text)
        return None if match is None else cls(match.group(1), match.group(2))

    @property
    def text(self) -> str:
        """The key as a client sends it."""
        return f"pvb_{self.id}_{self.secret}"

    @property
    def digest(self) -> bytes:
        """What is stored of the secret: its SHA-256."""
        return sha256(self.secret.encode()).digest()


class BusKeyCreate(Wire):
    """A new bus key."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    topics: list[Annotated[str, AfterValidator(_pattern)]] = Field(
        min_length=1, max_length=64, description="Patterns of the topics it may use.", examples=[["orders/#"]]
    )
    actions: list[Action] = Field(min_length=1, max_length=2)


class BusKeyDetails(Wire):
    """A bus key as lists show it."""

    key_id: str
    name: str
    topics: list[str]
    actions: list[Action]
    prefix: str
    created_at: str
    created_by: str
    revoked_at: str | None


class BusKeyMade(BusKeyDetails):
    """A bus key that was just made; ``key`` is shown this once."""

    key: str


class BusKeys(Wire):
    """A page of bus keys, newest first."""

    items: list[BusKeyDetails]
    next_cursor: str | None


class BusKeyRevoked(Wire):
    """A bus key that is worth nothing any more."""

    key_id: str
    revoked_at: str
