"""The secrets of a subscription: what it signs or checks with, and headers; sealed, and never shown again."""

import os
from base64 import b64encode

import msgspec

from provenance.core.keyring import WorkspaceKeys

PURPOSE = "bus.subscription"
SIGNER = "bus.webhook"
"""Purpose of the workspace's Ed25519 key that signs webhooks for Standard Webhooks' ``v1a``."""
_PREFIX = "whsec_"
_BYTES = 32


class Signing(msgspec.Struct):
    """A secret and until when it is good; None is for good."""

    secret: str
    until: int | None = None


class Sealed(msgspec.Struct):
    """What is kept secret of a subscription."""

    signing: list[Signing] = []
    headers: dict[str, str] = {}

    def valid(self, now: int) -> list[str]:
        """Return the secrets that are good now, the current one first."""
        return [each.secret for each in self.signing if each.until is None or each.until > now]


def new_secret() -> str:
    """Make a signing secret in Standard Webhooks' form."""
    return _PREFIX + b64encode(os.urandom(_BYTES)).decode()


def seal(keys: WorkspaceKeys, subscription_id: str, value: Sealed) -> bytes:
    """Seal the secrets of a subscription."""
    return keys.seal(PURPOSE, msgspec.json.encode(value), subscription_id.encode())


def opened(keys: WorkspaceKeys, subscription_id: str, sealed: bytes | None) -> Sealed:
    """Open the secrets of a subscription."""
    if sealed is None:
        return Sealed()
    return msgspec.json.decode(keys.open(PURPOSE, sealed, subscription_id.encode()), type=Sealed)


def public_key(keys: WorkspaceKeys) -> str:
    """Return the workspace's public key for webhooks, as Standard Webhooks writes it."""
    return "whpk_" + b64encode(keys.signer(SIGNER).public_key().public_bytes_raw()).decode()
