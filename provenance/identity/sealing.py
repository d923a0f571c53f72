"""A key of each person's own: names and addresses are sealed under it, and end when it is destroyed."""

import os
import uuid

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from provenance.core.keyring import KeyringError, WorkspaceKeys

_PURPOSE = "person.key"


class PersonKey:
    """The 32 byte key of one person; what it seals is bound to a purpose and to the person."""

    def __init__(self, person_id: uuid.UUID, secret: bytes) -> None:
        """Take the person and the key."""
        self._person, self._secret, self._aead = person_id.bytes, secret, AESGCM(secret)

    @classmethod
    def random(cls, person_id: uuid.UUID) -> "PersonKey":
        """Make a new person's key."""
        return cls(person_id, os.urandom(32))

    @classmethod
    def unwrap(cls, keys: WorkspaceKeys, person_id: uuid.UUID, wrapped: bytes) -> "PersonKey":
        """Open a stored key with the installation's keys. Raises KeyringError when it is another person's."""
        opened = keys.open(_PURPOSE, wrapped)
        if opened[:16] != person_id.bytes:
            raise KeyringError("the key belongs to another person")
        return cls(person_id, opened[16:])

    def wrap(self, keys: WorkspaceKeys) -> bytes:
        """Seal this key with the installation's keys, bound to its person."""
        return keys.seal(_PURPOSE, self._person + self._secret)

    def seal(self, purpose: str, value: bytes) -> bytes:
        """Encrypt a value for a purpose, such as ``email``."""
        nonce = os.urandom(12)
        return nonce + self._aead.encrypt(nonce, value, purpose.encode() + self._person)

    def open(self, purpose: str, sealed: bytes) -> bytes:
        """Decrypt what `seal` made. Raises KeyringError when it was changed or made for another purpose."""
        try:
            return self._aead.decrypt(sealed[:12], sealed[12:], purpose.encode() + self._person)
        except (InvalidTag, ValueError):
            raise KeyringError("the sealed value was changed, or is another person's") from None
