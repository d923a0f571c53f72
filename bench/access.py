"""Scenario `auth`: what it costs a request to be let in, in this process and without a database.

A credential that was seen lately is answered from memory, as nearly all are; what is counted is processor time.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from ipaddress import ip_network

from bench.report import Report
from provenance.core.actor import Actor, Kind, Role, Scope
from provenance.core.db import Database
from provenance.core.door import Exchange, admit
from provenance.core.ids import random_letters
from provenance.core.limits import Limiter
from provenance.core.transport import Proxies
from provenance.identity.access.epoch import Epoch
from provenance.identity.access.memory import Memory
from provenance.identity.access.service import Authenticate, JwtResolver, KeyResolver
from provenance.identity.schemas import ApiKey
from provenance.identity.sessions.signing import SigningKeys
from provenance.ledger.interactions.hot import WRITE

CALLS, REPEATS = 50_000, 5
MOST_MICROS = "15"
_NOWHERE = "postgresql://nobody@localhost/nothing"
_HEADERS = [(b"host", b"localhost:7300"), (b"content-type", b"application/json"), (b"content-length", b"180")]
_FORWARDED = [(b"x-forwarded-for", b"203.0.113.9"), (b"x-forwarded-proto", b"https")]


class Entrance:
    """What stands before a handler, with a key and a token that it knows."""

    def __init__(self) -> None:
        db, epoch = Database(_NOWHERE), Epoch(_NOWHERE)
        epoch.asked = float("inf")  # what is remembered stays fresh
        self.key = {**dict(_HEADERS), b"x-api-key": ApiKey.random().text.encode()}
        token = f"Bearer {random_letters(150)}.{random_letters(300)}.{random_letters(86)}".encode()
        self.token = {**dict(_HEADERS), b"authorization": token}
        keys, tokens = KeyResolver(db, epoch), JwtResolver(db, epoch, SigningKeys(db, epoch))
        home = uuid.uuid4()
        keys.memory = Memory(epoch, _answering(Actor(Kind.KEY, "key_bench", home, scopes=frozenset(Scope))))
        tokens.memory = Memory(epoch, _answering(Actor(Kind.PERSON, "user_bench", home, role=Role.EDITOR)))
        self.authenticate = Authenticate(keys, tokens)
        self.limiter = Limiter(db, per_minute=600_000_000, burst=1_000_000)
        self.proxies = Proxies([ip_network("127.0.0.0/8")])

    async def know(self) -> None:
        """Ask for both credentials once, as their first request does."""
        assert await self.authenticate(self.key)
        assert await self.authenticate(self.token)

    def express(self) -> None:
        """Let a key in as the express does."""
        actor = self.authenticate.remembered(self.key)
        assert actor is not None
        assert actor.networks is None
        assert actor.may(WRITE.scope, WRITE.role)

    async def admitted(self, headers: dict[bytes, bytes]) -> Actor:
        """Let a credential in as the other ways do."""
        return await admit(_exchange(headers), WRITE, self.authenticate)

    async def counted(self, headers: dict[bytes, bytes]) -> None:
        """Let a credential in and count it against its limit."""
        self.limiter.take((await self.admitted(headers)).id)


def auth(report: Report) -> None:
    """Measure every way in."""
    asyncio.run(_auth(report))


async def _auth(report: Report) -> None:
    entrance = Entrance()
    await entrance.know()
    forwarded = [*_HEADERS, *_FORWARDED]
    empty = await _micros(lambda: _exchange(entrance.key))
    ways: list[tuple[str, Callable[[], object]]] = [
        ("a key on the express", entrance.express),
        ("a key", lambda: entrance.admitted(entrance.key)),
        ("an access token", lambda: entrance.admitted(entrance.token)),
        ("a key and its rate limit", lambda: entrance.counted(entrance.key)),
        ("an access token and its rate limit", lambda: entrance.counted(entrance.token)),
        ("what a proxy says of its client", lambda: entrance.proxies.seen("127.0.0.1", "http", forwarded)),
    ]
    for name, way in ways:
        micros = await _micros(way)
        if "express" not in name and "proxy" not in name:
            micros -= empty  # the exchange is made whoever calls
        report.add("auth", name, micros, "µs", "processor time of a request, at most", MOST_MICROS)


async def _micros(way: Callable[[], object]) -> float:
    """Return the least processor time of one call over some rounds: other programs only ever add to it."""
    rounds = []
    for _ in range(REPEATS):
        started = time.process_time()
        for _ in range(CALLS):
            found = way()
            if isinstance(found, Awaitable):
                await found
        rounds.append((time.process_time() - started) / CALLS * 1e6)
    return min(rounds)


def _exchange(headers: dict[bytes, bytes]) -> Exchange:
    return Exchange("POST", "/api/interactions", headers, b"", "req_bench", "127.0.0.1", "http", b"")


def _answering(actor: Actor) -> Callable[[bytes], Awaitable[tuple[Actor, float] | None]]:
    async def look_up(sent: bytes) -> tuple[Actor, float]:
        return actor, time.time() + 3600

    return look_up
