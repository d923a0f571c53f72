"""Resolving bus keys at the door: who shows one may publish or pull, within its topics, and nothing else."""

import hmac
from collections.abc import Mapping

from provenance.bus.access import PUBLISH, PULL
from provenance.bus.keys import queries
from provenance.bus.keys.schemas import PREFIX, BusKey
from provenance.core.actor import Actor, Kind
from provenance.core.db import Database
from provenance.identity.access.epoch import Epoch
from provenance.identity.access.memory import Memory
from provenance.identity.access.service import Authenticate

_HEAD = b"pvb_"
_ALLOWS = {"publish": PUBLISH, "pull": PULL}
_NEVER = float("inf")


class Credentials:
    """`identity`'s authentication, and that of bus keys beside it; what the door asks."""

    def __init__(self, others: Authenticate, db: Database, epoch: Epoch) -> None:
        """Take the authentication of all other credentials, the database, and the epoch of access."""
        self._others = others
        self._db = db
        self._memory = Memory(epoch, self._look_up)

    async def __call__(self, headers: Mapping[bytes, bytes]) -> Actor | None:
        """Return the actor, or None. Raises TwoCredentials when a key and a token are sent together."""
        sent = headers.get(b"x-api-key", b"")
        if not sent.startswith(_HEAD) or b"authorization" in headers:
            return await self._others(headers)
        return self._memory.recall(sent) or await self._memory.ask(sent)

    def remembered(self, headers: Mapping[bytes, bytes]) -> Actor | None:
        """Return the actor if it is known without asking; None says nothing, the call itself decides."""
        sent = headers.get(b"x-api-key", b"")
        if not sent.startswith(_HEAD):
            return self._others.remembered(headers)
        return self._memory.recall(sent) if b"authorization" not in headers else None

    def forget(self) -> None:
        """Forget every credential, of bus keys as well."""
        self._memory.forget()
        self._others.forget()

    async def _look_up(self, sent: bytes) -> tuple[Actor, float] | None:
        key = BusKey.parse(sent.decode("latin-1"))
        if key is None:
            return None
        async with self._db.housekeeping() as tx:
            stored = await queries.key_by_id(tx, key.id)
        # The comparison runs also for an unknown id, so that the time tells nothing of which ids exist.
        same = hmac.compare_digest(key.digest, stored.digest if stored else bytes(32))
        if stored is None or not same or stored.revoked_at is not None:
            return None
        allowed = frozenset(_ALLOWS[action] for action in stored.actions)
        actor = Actor(Kind.KEY, PREFIX + key.id, stored.workspace_id, scopes=allowed, topics=tuple(stored.topics))
        return actor, _NEVER
