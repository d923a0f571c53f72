"""How often a caller may call: a bucket of tokens per API key and per person, shared by all processes.

Each process spends from its own copy of a bucket and settles twice a second with the table ``rate_buckets``, where
the spending of all comes together. So the limit is exact within a process, and over several it is exceeded by at
most what the others admit within half a second (spec/automation.md, 2.3).
"""

import asyncio
import contextlib
import time
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Column, Double, Table, Text

from provenance.core.db import Database, metadata
from provenance.core.errors import RateLimited, Unavailable

SETTLE_SECONDS = 0.5
KEPT = 50_000
"""Buckets of one process; beyond, the oldest are forgotten, which refills them at most."""

log: Any = structlog.get_logger("limits")

rate_buckets = Table(
    "rate_buckets",
    metadata,
    Column("subject", Text, primary_key=True, comment="an API key's or a person's id"),
    Column("tokens", Double, nullable=False),
    Column("at", Double, nullable=False, comment="seconds since the epoch, by the database's clock"),
    prefixes=["UNLOGGED"],  # after a crash everybody has a full bucket again
)

_SETTLE = """
INSERT INTO rate_buckets AS kept (subject, tokens, at)
SELECT spent.subject, $3::float8 - spent.tokens, extract(epoch FROM clock_timestamp())
  FROM unnest($1::text[], $2::float8[]) AS spent(subject, tokens)
 ORDER BY spent.subject
ON CONFLICT (subject) DO UPDATE
   SET tokens = greatest(-$3::float8, least($3::float8, kept.tokens + (excluded.at - kept.at) * $4::float8)
                                      + excluded.tokens - $3::float8),
       at = excluded.at
RETURNING kept.subject, kept.tokens
"""
_FORGET = "DELETE FROM rate_buckets WHERE at < extract(epoch FROM clock_timestamp()) - 3600"


class Allowance(NamedTuple):
    """What is left to a caller: the bucket's size, tokens in it, seconds until it is full again."""

    limit: int
    remaining: int
    reset: int

    @property
    def headers(self) -> dict[str, str]:
        """The ``RateLimit-*`` headers of an answer."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }


class _Bucket:
    __slots__ = ("at", "spent", "tokens")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens = tokens
        self.at = at
        self.spent = 0.0


class Limiter:
    """The buckets of one process. ``per_minute`` 0 means no limit."""

    def __init__(self, db: Database, *, per_minute: int, burst: int) -> None:
        """Take the database where processes settle, the steady rate and the size of a bucket."""
        self._db = db
        self._rate = per_minute / 60
        self._burst = float(burst)
        self._buckets: dict[str, _Bucket] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to settle with the other processes."""
        if self._rate:
            self._task = asyncio.create_task(self._run(), name="rate-limits")

    async def stop(self) -> None:
        """Settle what is open, and stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            with contextlib.suppress(Unavailable):
                await self.settle()

    def take(self, subject: str) -> Allowance | None:
        """Take a token for one call; None where there is no limit. Raises RateLimited."""
        if not self._rate:
            return None
        now = time.monotonic()
        bucket = self._buckets.get(subject)
        if bucket is None:
            bucket = self._new(subject, now)
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._rate)
        bucket.at = now
        if bucket.tokens < 1:
            wait = max(1, -int(-(1 - bucket.tokens) // self._rate))
            raise RateLimited(
                f"Too many requests: {int(self._rate * 60):,} a minute. Wait {wait} seconds and try again.",
                headers={"Retry-After": str(wait), **self._left(bucket).headers},
            )
        bucket.tokens -= 1
        bucket.spent += 1
        return self._left(bucket)

    async def settle(self) -> None:
        """Tell the others what was spent here since the last time, and learn what they spent."""
        open_ = sorted((subject, bucket.spent) for subject, bucket in self._buckets.items() if bucket.spent)
        if not open_:
            return
        for subject, spent in open_:
            self._buckets[subject].spent -= spent
        arguments = ([each[0] for each in open_], [each[1] for each in open_], self._burst, self._rate)
        async with self._db.housekeeping() as tx:
            settled: list[Any] = list(await tx.driver_sql(_SETTLE, arguments))
        for subject, tokens in settled:
            bucket = self._buckets.get(subject)
            if bucket is not None:
                bucket.tokens, bucket.at = tokens - bucket.spent, time.monotonic()

    def _new(self, subject: str, now: float) -> _Bucket:
        if len(self._buckets) >= KEPT:
            del self._buckets[next(iter(self._buckets))]
        bucket = self._buckets[subject] = _Bucket(self._burst, now)
        return bucket

    def _left(self, bucket: _Bucket) -> Allowance:
        full_in = (self._burst - bucket.tokens) / self._rate
        return Allowance(int(self._burst), max(0, int(bucket.tokens)), -int(-full_in // 1))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(SETTLE_SECONDS)
            try:
                await self.settle()
            except Exception as error:
                # Without the database each process still limits by what it saw itself.
                log.warning("limits_not_settled", error=type(error).__name__)


async def forget_full(db: Database) -> None:
    """Throw away the buckets that nobody spent from for an hour: they are full, as a new one is."""
    async with db.housekeeping() as tx:
        await tx.driver_sql(_FORGET)
