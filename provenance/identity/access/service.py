"""Resolving credentials: API keys of machines, access tokens of people, and the one `authenticate` over both."""

import hmac
import time
import uuid
from collections.abc import Mapping

from provenance.core.actor import Actor, Kind, Role
from provenance.core.clock import NANOS
from provenance.core.db import Database
from provenance.core.ids import decode, encode
from provenance.identity import queries as keys_queries
from provenance.identity.access import queries
from provenance.identity.access.epoch import Epoch
from provenance.identity.access.memory import Memory
from provenance.identity.errors import TwoCredentials
from provenance.identity.schemas import ApiKey
from provenance.identity.sessions.signing import SigningKeys

_NEVER = float("inf")
_SCHEME = b"bearer "


class KeyResolver:
    """Resolves the ``x-api-key`` of a request."""

    def __init__(self, db: Database, epoch: Epoch) -> None:
        """Take the database that holds the keys, and the epoch of access."""
        self._db = db
        self.memory = Memory(epoch, self._look_up)

    async def __call__(self, headers: Mapping[bytes, bytes]) -> Actor | None:
        """Return the actor of an ``x-api-key`` header, or None."""
        sent = headers.get(b"x-api-key")
        return None if sent is None else self.memory.recall(sent) or await self.memory.ask(sent)

    async def _look_up(self, sent: bytes) -> tuple[Actor, float] | None:
        key = ApiKey.parse(sent.decode("latin-1"))
        if key is None:
            return None
        async with self._db.housekeeping() as tx:
            stored = await keys_queries.key_by_id(tx, key.id)
        # The comparison runs also for an unknown id, so that the time tells nothing of which ids exist.
        same = hmac.compare_digest(key.digest, stored.digest if stored else bytes(32))
        if stored is None or not same or stored.revoked:
            return None
        until = _NEVER if stored.expires_at is None else stored.expires_at / NANOS
        if until <= time.time():
            return None
        actor = Actor(Kind.KEY, f"key_{key.id}", stored.workspace_id, scopes=stored.scopes, networks=stored.networks)
        return actor, until


class JwtResolver:
    """Resolves the access token of a request. Its claims are hints: role and membership are read from the database."""

    def __init__(self, db: Database, epoch: Epoch, signing: SigningKeys) -> None:
        """Take the database, the epoch of access and the keys that sign."""
        self._db, self._signing = db, signing
        self.memory = Memory(epoch, self._look_up)

    async def __call__(self, headers: Mapping[bytes, bytes]) -> Actor | None:
        """Return the actor of an ``Authorization: Bearer`` header, or None."""
        sent = headers.get(b"authorization")
        return None if sent is None else self.memory.recall(sent) or await self.memory.ask(sent)

    async def _look_up(self, sent: bytes) -> tuple[Actor, float] | None:
        if sent[: len(_SCHEME)].lower() != _SCHEME:
            return None
        claims = await self._signing.verified(sent[len(_SCHEME) :].strip())
        if claims is None:
            return None
        person_id, workspace_id = decode("user", claims["sub"]), decode("ws", claims["ws"])
        if person_id is None or workspace_id is None:
            return None
        actor = await self._actor(person_id, workspace_id, uuid.UUID(claims["sid"]))
        return None if actor is None else (actor, float(claims["exp"]))

    async def _actor(self, person_id: uuid.UUID, workspace_id: uuid.UUID, session_id: uuid.UUID) -> Actor | None:
        async with self._db.housekeeping() as tx:
            found = await queries.standing(tx, session_id, person_id, workspace_id)
        if found is None:
            return None
        return Actor(
            Kind.PERSON,
            encode("user", person_id),
            workspace_id,
            role=Role[found.role.upper()],
            groups=frozenset(found.groups),
            person=person_id,
            session=session_id,
            signed_in_at=found.signed_in_at,
            fresh_login_minutes=found.fresh_login_minutes,
        )


class Authenticate:
    """What the door asks: whose credential is in these headers?"""

    def __init__(self, keys: KeyResolver, tokens: JwtResolver) -> None:
        """Take the two resolvers."""
        self.keys, self.tokens = keys, tokens

    async def __call__(self, headers: Mapping[bytes, bytes]) -> Actor | None:
        """Return the actor, or None. Raises TwoCredentials when a key and a token are sent together."""
        if b"authorization" not in headers:
            return await self.keys(headers)
        if b"x-api-key" not in headers:
            return await self.tokens(headers)
        if headers[b"authorization"][: len(_SCHEME)].lower() == _SCHEME:
            raise TwoCredentials("Send a bearer token or an API key, not both.")
        return await self.keys(headers)

    def forget(self) -> None:
        """Forget every credential: whose power this process took away is refused at once, not at the next poll."""
        self.keys.memory.forget()
        self.tokens.memory.forget()

    def remembered(self, headers: Mapping[bytes, bytes]) -> Actor | None:
        """Return the actor if it is known without asking; None says nothing, the call itself decides."""
        key, token = headers.get(b"x-api-key"), headers.get(b"authorization")
        if key is not None:
            return self.keys.memory.recall(key) if token is None else None
        return None if token is None else self.tokens.memory.recall(token)
