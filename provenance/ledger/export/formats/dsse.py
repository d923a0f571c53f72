"""DSSE envelopes (Dead Simple Signing Envelope, v1): a payload, its type and signatures over both."""

from base64 import b64encode
from typing import Any

from provenance.proof.notes import Signer


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that are signed.

    They begin with ``DSSEv1`` and a space, which no signed note does, whose first line is an origin without spaces:
    the log's key can sign both, and neither signature passes for the other.
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def envelope(payload_type: str, payload: bytes, signer: Signer) -> dict[str, Any]:
    """Sign a payload; ``keyid`` is the name and the hash of the log's verifier key."""
    signature = signer.private.sign(pre_authentication(payload_type, payload))
    key = signer.verifier
    return {
        "payloadType": payload_type,
        "payload": b64encode(payload).decode(),
        "signatures": [{"keyid": f"{key.name}+{key.key_id.hex()}", "sig": b64encode(signature).decode()}],
    }
