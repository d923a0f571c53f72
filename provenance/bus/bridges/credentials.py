"""What a bridge signs in with, as the client library takes it.

The library reads nkeys through packages of its own and from files; a seed is base32 of a prefix, 32 bytes of an
Ed25519 key and a checksum, which needs no more than the cryptography that is here.
"""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provenance.bus.bridges.errors import BridgeFailed
from provenance.bus.bridges.schemas import Credentials

_USER = 20 << 3
_SEED = re.compile(r"\bSU[A-Z2-7]{56}\b")
_JWT = re.compile(r"-----BEGIN NATS USER JWT-----\s+(\S+)\s+-+END NATS USER JWT-----")


class SignIn(NamedTuple):
    """Options of a connection, and the public key of an nkey, which the library only takes from a file."""

    options: dict[str, Any]
    public_key: str | None = None


def sign_in(credentials: Credentials, secret: str) -> SignIn:
    """Return how to sign in. Raises BridgeFailed for a secret that is not of its kind."""
    if credentials.kind == "token":
        return SignIn({"token": secret})
    if credentials.kind == "password":
        return SignIn({"user": credentials.user, "password": secret})
    seed = _SEED.search(secret)
    if seed is None:
        raise BridgeFailed("The secret holds no user's nkey seed (SU…).")
    key = private_key(seed.group())
    if credentials.kind == "nkey":
        return SignIn({"signature_cb": _signer(key)}, public_nkey(key))
    jwt = _JWT.search(secret)
    if jwt is None:
        raise BridgeFailed("The secret is no .creds file: it holds no user JWT.")
    token = jwt.group(1).encode()
    return SignIn({"signature_cb": _signer(key), "user_jwt_cb": lambda: token})


def private_key(seed: str) -> Ed25519PrivateKey:
    """Read a seed. Raises BridgeFailed when its checksum is wrong."""
    raw = base64.b32decode(seed + "=" * (-len(seed) % 8))
    if binascii.crc_hqx(raw[:-2], 0) != int.from_bytes(raw[-2:], "little"):
        raise BridgeFailed("The nkey seed is damaged: its checksum is wrong.")
    return Ed25519PrivateKey.from_private_bytes(raw[2:34])


def public_nkey(key: Ed25519PrivateKey) -> str:
    """Write the public key as servers know it (U…)."""
    raw = bytes([_USER]) + key.public_key().public_bytes_raw()
    return base64.b32encode(raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")).decode().rstrip("=")


def _signer(key: Ed25519PrivateKey) -> Callable[[str], bytes]:
    return lambda nonce: base64.b64encode(key.sign(nonce.encode()))
