"""Signatures of messages that leave and arrive: our own header, and Standard Webhooks' (spec/automation.md, 8.3, 12).

Ours is the lower-case hex HMAC-SHA256 under the secret's UTF-8 bytes: over the raw body, or, where a timestamp goes
along, over timestamp, a dot and the body. Standard Webhooks signs id, timestamp and body: ``v1`` under the bytes that
``whsec_…`` stands for, ``v1a`` with the workspace's Ed25519 key.
"""

import hmac
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_PREFIX = "whsec_"


def hex_signature(secret: str, body: bytes, timestamp: str | None = None) -> str:
    """Return our signature of a body, and of its timestamp if there is one."""
    signed = body if timestamp is None else timestamp.encode() + b"." + body
    return hmac.digest(secret.encode(), signed, "sha256").hex()


def standard_signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """Return Standard Webhooks' symmetric signature, ``v1,…``."""
    mac = hmac.digest(standard_key(secret), _signed(message_id, timestamp, body), "sha256")
    return "v1," + b64encode(mac).decode()


def asymmetric_signature(key: Ed25519PrivateKey, message_id: str, timestamp: str, body: bytes) -> str:
    """Return Standard Webhooks' asymmetric signature, ``v1a,…``."""
    return "v1a," + b64encode(key.sign(_signed(message_id, timestamp, body))).decode()


def standard_key(secret: str) -> bytes:
    """Return the bytes that a secret stands for; one that is no base64 stands for its own."""
    text = secret.removeprefix(_PREFIX)
    try:
        return b64decode(text, validate=True)
    except (NotBase64, ValueError):
        return secret.encode()


def delivery_headers(
    secrets: Sequence[str], key: Ed25519PrivateKey, message_id: str, timestamp: str, body: bytes, attempt: int
) -> dict[str, str]:
    """Return the headers that sign a delivery; the first secret is the current one, others are still good."""
    signatures = [standard_signature(secret, message_id, timestamp, body) for secret in secrets]
    signatures.append(asymmetric_signature(key, message_id, timestamp, body))
    return {
        "X-ProvenanceOne-Signature": hex_signature(secrets[0], body, timestamp),
        "X-ProvenanceOne-Message-Id": message_id,
        "X-ProvenanceOne-Delivery": message_id,
        "X-ProvenanceOne-Timestamp": timestamp,
        "X-ProvenanceOne-Attempt": str(attempt),
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signatures),
    }


def _signed(message_id: str, timestamp: str, body: bytes) -> bytes:
    return f"{message_id}.{timestamp}.".encode() + body
