"""What a process remembers of credentials: by a hash, so that none lies in memory longer than its request."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import NamedTuple

from provenance.core.actor import Actor
from provenance.identity.access.epoch import FRESH_SECONDS, Epoch

REMEMBERED = 10_000


class Known(NamedTuple):
    """An answer of the database: under which epoch, when it was asked for, until when the credential lasts.

    Moments are those of ``time.monotonic``.
    """

    epoch: int
    asked: float
    until: float
    actor: Actor


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
        epoch, asked, until, actor = known
        now, true_at = time.monotonic(), current.asked if current.asked > asked else asked
        return actor if epoch == current.number and now - true_at < FRESH_SECONDS and now < until else None

    async def ask(self, sent: bytes) -> Actor | None:
        """Return the actor, or None; requests that come together share one look-up."""
        digest = sha256(sent).digest()
        asking = self._asking.get(digest)
        if asking is None:
            asking = self._asking[digest] = asyncio.ensure_future(self._renew(digest, sent))
            asking.add_done_callback(lambda _: self._asking.pop(digest, None))
        return await asyncio.shield(asking)

    async def _renew(self, digest: bytes, sent: bytes) -> Actor | None:
        epoch, asked = self._epoch.number, time.monotonic()
        found = await self._look_up(sent)
        if found is None:
            self._known.pop(digest, None)
            return None
        actor, until = found
        self._known[digest] = Known(epoch, asked, asked + until - time.time(), actor)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return actor
