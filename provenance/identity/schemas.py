"""Keys as identity knows them, and the events that people and keys leave."""

import re
import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256

from provenance.core.ids import random_letters
from provenance.identity.errors import WeakKey

_KEY = re.compile(r"pv_([A-Za-z0-9]{8,32})_([A-Za-z0-9]{32,128})", re.ASCII)


class IdentityEvent(StrEnum):
    """What can happen to people and keys."""

    PERSON_CREATED = "person.created"
    KEY_CREATED = "api_key.created"
    KEY_REVOKED = "api_key.revoked"


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
