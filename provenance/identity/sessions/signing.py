"""The keys that sign access tokens: sealed in the database, published as a JWKS, replaced after ninety days.

A retired key signs nothing more and stays published until the last token it signed has run out.
"""

import base64
import os
import time
import uuid
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry
from sqlalchemy import text

from provenance.core.clock import NANOS
from provenance.core.db import Database, WriteTx
from provenance.core.keyring import WorkspaceKeys
from provenance.identity.access.epoch import Epoch
from provenance.identity.sessions import queries

ALGORITHM = "EdDSA"
TOKEN_SECONDS = 3600
BROWSER_SECONDS = 900
KEY_DAYS = 90
_GRACE_SECONDS = 60
_PURPOSE = "jwt.signing"
_LOCK = 7_300_000_004
_DAY = 86_400 * NANOS


class _OneAlgorithm(JWSRegistry):
    """Knows EdDSA and nothing else, so that no header talks a verifier into another algorithm.

    The name is the one that verifiers everywhere know; the newer ``Ed25519`` (RFC 9864) names the same signature.
    """

    def get_alg(self, name: str) -> Any:
        if name != ALGORITHM:
            raise UnsupportedAlgorithmError(name)
        return self.algorithms[name]


_REGISTRY = _OneAlgorithm()


class SigningKeys:
    """The signing keys as this process knows them; read anew when the epoch of access moved."""

    def __init__(self, db: Database, epoch: Epoch) -> None:
        """Take the database and the epoch; `start` brings the issuer and the keys that open the sealed ones."""
        self._db, self._epoch = db, epoch
        self._keys: dict[str, OKPKey] = {}
        self._retired: dict[str, int | None] = {}
        self._seen = -1
        self._issuer = ""
        self._sealing: WorkspaceKeys | None = None

    async def start(self, keys: WorkspaceKeys, issuer: str) -> None:
        """Load the keys, making the first one, or a new one when the newest is ninety days old."""
        self._sealing, self._issuer = keys, issuer
        async with self._db.housekeeping() as tx:
            await tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            rows = await queries.signing_keys_from(tx, 0)
            if not rows or tx.now - rows[-1].made_at > KEY_DAYS * _DAY:
                await rotate_signing_key(tx, keys)
        await self._load()

    def sign(self, claims: dict[str, Any]) -> str:
        """Return an access token with these claims."""
        kid = next(reversed(self._keys))
        header = {"alg": ALGORITHM, "kid": kid}
        return jwt.encode(header, {"iss": self._issuer, **claims}, self._keys[kid], registry=_REGISTRY)

    async def verified(self, token: bytes) -> dict[str, Any] | None:
        """Return the claims of a token that one of our keys signed and that has not run out, or None."""
        await self.refresh()
        try:
            found = jwt.decode(token, self._key_of, registry=_REGISTRY)
        except (JoseError, ValueError, KeyError, TypeError):
            return None
        claims = found.claims
        needed = all(isinstance(claims.get(name), str) for name in ("sub", "ws", "sid"))
        lasts = isinstance(claims.get("exp"), int) and time.time() < claims["exp"]
        return claims if needed and lasts and claims.get("iss") == self._issuer and _is_uuid(claims["sid"]) else None

    def published(self) -> list[dict[str, Any]]:
        """Return the public keys that a token in hand may have been signed with."""
        return [dict(self._keys[kid].as_dict(private=False)) for kid in self._keys if self._verifies(kid)]

    async def refresh(self) -> None:
        """Read the keys anew when anything about access changed since."""
        if self._seen != self._epoch.number:
            await self._load()

    def _key_of(self, found: Any) -> OKPKey:
        kid = found.headers()["kid"]
        if not self._verifies(kid):
            raise KeyError(kid)
        return self._keys[kid]

    def _verifies(self, kid: str) -> bool:
        retired = self._retired[kid]
        return retired is None or time.time_ns() - retired < (TOKEN_SECONDS + _GRACE_SECONDS) * NANOS

    async def _load(self) -> None:
        assert self._sealing is not None, "start() hands over the keyring"
        seen = self._epoch.number
        async with self._db.housekeeping() as tx:
            rows = await queries.signing_keys_from(tx, tx.now - (TOKEN_SECONDS + _GRACE_SECONDS) * NANOS)
        self._keys = {row.kid: _imported(row.kid, self._sealing.open(_PURPOSE, row.sealed)) for row in rows}
        self._retired = {row.kid: row.retired_at for row in rows}
        self._seen = seen


async def rotate_signing_key(tx: WriteTx, keys: WorkspaceKeys) -> str:
    """Make a new signing key and retire the ones before; return its ``kid``. Every process signs with it in a second.

    ``keys`` are the installation's.
    """
    secret = os.urandom(32)
    kid = base64.urlsafe_b64encode(os.urandom(9)).decode()
    await queries.retire_signing_keys(tx)
    await queries.insert_signing_key(tx, kid, keys.seal(_PURPOSE, secret))
    return kid


def _imported(kid: str, secret: bytes) -> OKPKey:
    pair = OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(secret)).as_dict(private=True)
    return OKPKey.import_key({**pair, "kid": kid, "use": "sig", "alg": ALGORITHM})


def _is_uuid(text_: str) -> bool:
    try:
        uuid.UUID(text_)
    except ValueError:
        return False
    return True
