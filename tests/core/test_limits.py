"""Rate limits on a real database: one process, several, a stopped database; the arithmetic by property."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.core.db import Database
from provenance.core.errors import RateLimited
from provenance.core.ids import random_letters
from provenance.core.limits import Limiter
from provenance.core.settings import Settings
from tests.conftest import Running, make_tenant_of, running


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    found = Database(database_url, pool_size=2)
    yield found
    await found.close()


def spent(limiter: Limiter, subject: str) -> int:
    """Call until refused; return how many calls passed."""
    passed = 0
    while True:
        try:
            limiter.take(subject)
        except RateLimited:
            return passed
        passed += 1


class TestBucket:
    def test_no_limit_counts_nothing(self, db: Database) -> None:
        assert Limiter(db, per_minute=0, burst=1).take("x") is None

    def test_the_burst_passes_and_then_the_rate(self, db: Database) -> None:
        limiter = Limiter(db, per_minute=60, burst=20)
        assert spent(limiter, "a") == 20
        assert spent(limiter, "b") == 20, "another caller has a bucket of their own"
        with pytest.raises(RateLimited) as refused:
            limiter.take("a")
        assert refused.value.headers["Retry-After"] == "1"
        assert refused.value.headers["RateLimit-Remaining"] == "0"

    @given(calls=st.integers(1, 50), burst=st.integers(1, 50))
    def test_what_is_left_is_told(self, calls: int, burst: int) -> None:
        limiter = Limiter(Database("postgresql://nowhere/none"), per_minute=1, burst=burst)
        for number in range(min(calls, burst)):
            left = limiter.take("a")
            assert left is not None
            assert (left.limit, left.remaining) == (burst, burst - number - 1)
            assert 0 < left.reset <= burst * 60


class TestSeveralProcesses:
    async def test_they_share_one_bucket(self, db: Database) -> None:
        subject = random_letters(12)
        first, second = (Limiter(db, per_minute=1, burst=50) for _ in range(2))
        for _ in range(30):
            first.take(subject)
        await first.settle()
        second.take(subject)
        await second.settle()
        assert spent(second, subject) == 19
        await second.settle()
        first.take(subject)
        await first.settle()
        assert spent(first, subject) == 0

    async def test_what_is_spent_while_settling_is_not_lost(self, db: Database) -> None:
        subject = random_letters(12)
        limiter = Limiter(db, per_minute=1, burst=100)
        for _ in range(5):
            settling = asyncio.create_task(limiter.settle())
            for _ in range(10):
                limiter.take(subject)
                await asyncio.sleep(0)
            await settling
        await limiter.settle()
        assert spent(limiter, subject) == 50


class TestOverHttp:
    async def test_a_caller_is_told_and_then_refused(self, settings: Settings) -> None:
        strict = settings.model_copy(update={"rate_limit_per_minute": 60, "rate_limit_burst": 3})
        async with running(strict) as app, httpx.AsyncClient(base_url=app.url) as client:
            tenant = await make_tenant_of(app.ledger)
            headers = {"x-api-key": tenant.key}
            answers = [await client.get("/api/interactions", headers=headers) for _ in range(4)]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
            assert [answer.headers["ratelimit-remaining"] for answer in answers[:3]] == ["2", "1", "0"]
            assert (answers[3].json()["code"], answers[3].headers["retry-after"]) == ("rate_limited", "1")
            row = {"resourceType": "A", "action": "B", "origin": "C", "resourceId": "d"}
            for _ in range(5):
                posted = await client.post("/api/interactions", json=row, headers=headers)
                assert posted.status_code == 201, "what services record is not counted"
                assert "ratelimit-limit" not in posted.headers

    async def test_nobody_known_is_not_counted(self, app: Running) -> None:
        async with httpx.AsyncClient(base_url=app.url) as client:
            assert "ratelimit-limit" not in (await client.get("/healthz")).headers
