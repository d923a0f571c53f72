"""Nkeys and the tokens of accounts, made as the servers' own tools make them."""

import base64
import binascii
import json
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SEED, OPERATOR, ACCOUNT, USER = 18 << 3, 14 << 3, 0, 20 << 3


def seed_of(raw: bytes, kind: int = USER) -> str:
    """Write 32 bytes as the seed of a user."""
    return _written(bytes([SEED | kind >> 5, (kind & 31) << 3]) + raw)


def public_of(key: Ed25519PrivateKey, kind: int) -> str:
    """Write a key's public half."""
    return _written(bytes([kind]) + key.public_key().public_bytes_raw())


def _written(raw: bytes) -> str:
    return base64.b32encode(raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")).decode().rstrip("=")


def token_of(issuer: Ed25519PrivateKey, issued_by: str, subject: str, kind: str, name: str) -> str:
    """Sign a token of an operator, an account or a user; the account ``system`` has no JetStream."""
    limits = {"subs": -1, "data": -1, "payload": -1, "conn": -1, "leaf": -1, "imports": -1, "exports": -1}
    storage = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1, "wildcards": True}
    of_kind = {"limits": limits if name == "system" else {**limits, **storage}} if kind == "account" else {}
    if kind == "user":
        of_kind = {"subs": -1, "data": -1, "payload": -1, "pub": {}, "sub": {}}
    claims = {"iss": issued_by, "sub": subject, "name": name, "iat": 1, "nats": {"type": kind, "version": 2, **of_kind}}
    claims["jti"] = base64.b32encode(sha256(json.dumps(claims).encode()).digest()).decode().rstrip("=")
    head = _part({"typ": "JWT", "alg": "ed25519-nkey"})
    signed = f"{head}.{_part(claims)}"
    return f"{signed}.{_text(issuer.sign(signed.encode()))}"


def _part(value: dict[str, object]) -> str:
    return _text(json.dumps(value).encode())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
