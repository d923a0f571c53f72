"""What a process remembers of credentials: by a hash, so that none lies in memory longer than its request."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from provenance.core.actor import Actor
from provenance.identity.access.epoch import FRESH_SECONDS, Epoch

REMEMBERED = 10_000


@dataclass(slots=True)
class Known:
    """An answer of the database: under which epoch, when it was asked for, until when the credential lasts.

    ``used`` is when the credential came last. Moments are those of ``time.monotonic``.
    """

    epoch: int
    asked: float
    until: float
    actor: Actor
    used: float


LookUp = Callable[[bytes], Awaitable[tuple[Actor, float] | None]]
"""Answers a credential's actor and the moment (``time.time``) it runs out, or None when it is not valid."""


class Memory:
    """The credentials of one kind that were asked for lately."""

    def __init__(self, epoch: Epoch, look_up: LookUp) -> None:
        """Take the epoch and how the database is asked."""
        self._epoch = epoch
        self._look_up = look_up
        self._known: OrderedDict[bytes, Known] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Actor | None]] = {}

    def recall(self, sent: bytes) -> Actor | None:
        """Return the actor without asking, if what is remembered was true within the last second."""
        known, current = self._known.get(sha256(sent).digest()), self._epoch
        if known is None:
            return None
        now = time.monotonic()
        true_at = current.asked if current.asked > known.asked else known.asked
        if known.epoch != current.number or now - true_at >= FRESH_SECONDS or now >= known.until:
            return None
        known.used = now
        return known.actor

    async def ask(self, sent: bytes) -> Actor | None:
        """Return the actor, or None; requests that come together share one look-up."""
        digest = sha256(sent).digest()
        asking = self._asking.get(digest)
        if asking is None:
            asking = self._asking[digest] = asyncio.ensure_future(self._renew(digest, sent))
            asking.add_done_callback(lambda _: self._asking.pop(digest, None))
        return await asyncio.shield(asking)

    def forget(self) -> None:
        """Forget everything; each credential is asked for anew."""
        self._known.clear()

    def used_since(self, moment: float) -> Iterator[tuple[Actor, float]]:
        """Yield the actors whose credential came after a moment, and when it came last."""
        return ((known.actor, known.used) for known in self._known.values() if known.used > moment)

    async def _renew(self, digest: bytes, sent: bytes) -> Actor | None:
        epoch, asked = self._epoch.number, time.monotonic()
        found = await self._look_up(sent)
        if found is None:
            self._known.pop(digest, None)
            return None
        actor, until = found
        self._known[digest] = Known(epoch, asked, asked + until - time.time(), actor, time.monotonic())
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return actor
