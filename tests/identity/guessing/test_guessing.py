"""Guesses: the arithmetic for any course of events, and the counting in the database."""

import asyncio
from dataclasses import dataclass

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.core.clock import NANOS
from provenance.identity.errors import TooManyGuesses
from provenance.identity.guessing import service
from provenance.identity.guessing.schemas import POLICIES, Count, Kind, Policy, Subject, account, network
from tests.conftest import Running
from tests.identity.conftest import Someone, events, identity_of, new_email, some_address

START = 1_700_000_000 * NANOS
pauses = st.lists(st.integers(0, 5_000), max_size=300)
policies = st.sampled_from(list(POLICIES.values()))


@dataclass
class Course:
    """A guesser who comes back after each of these pauses, and what came of it."""

    heard: list[int]
    refused: list[int]


def run(policy: Policy, seconds: list[int]) -> Course:
    count, now, course = Count(), START, Course([], [])
    for pause in seconds:
        now += pause * NANOS
        if count.blocked_for(now):
            course.refused.append(now)
        else:
            count = count.guessed(policy, now)
            course.heard.append(now)
    return course


class TestPolicy:
    @given(policies, pauses)
    def test_whoever_guesses_wrong_is_heard_ever_more_seldom(self, policy: Policy, seconds: list[int]) -> None:
        heard = run(policy, seconds).heard
        failures = 0
        for before, after in zip([None, *heard], heard, strict=False):
            quiet = before is not None and after - before > policy.forgotten_after * NANOS
            failures = 1 if quiet or before is None else failures + 1
            if before is not None and not quiet:
                assert after - before >= policy.delay(failures - 1) * NANOS

    @given(policies, st.integers(1, 10_000), st.integers(1, 86_400))
    def test_hammering_gets_no_more_than_the_policys_share(self, policy: Policy, times: int, span: int) -> None:
        step = max(1, span // times)
        heard = run(policy, [step] * min(times, 300)).heard
        last = heard[-1] - START
        doublings = policy.ceiling.bit_length()
        assert len(heard) <= policy.free + doublings + last // (policy.ceiling * NANOS) + 1

    @given(policies, st.integers(0, 100))
    def test_the_wait_grows_and_has_a_ceiling(self, policy: Policy, failures: int) -> None:
        assert policy.delay(failures) <= policy.delay(failures + 1) <= policy.ceiling
        assert (policy.delay(failures) == 0) == (failures < policy.free)

    @given(st.integers(0, 10**6), policies)
    def test_the_wait_told_is_enough_and_not_a_second_too_long(self, failures: int, policy: Policy) -> None:
        count = Count(failures, START, START).guessed(policy, START)
        wait = count.blocked_for(START)
        assert not count.blocked_for(START + wait * NANOS)
        assert wait == 0 or count.blocked_for(START + (wait - 1) * NANOS)


class TestNetwork:
    @pytest.mark.parametrize(
        ("address", "known_as"),
        [("10.1.2.3", "10.1.2.3"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"), (None, "unknown"), ("x", "unknown")],
    )
    def test_of_ipv6_the_half_that_one_customer_holds(self, address: str | None, known_as: str) -> None:
        assert network(address) == known_as


class TestTake:
    async def test_a_thousand_at_once_are_no_more_than_the_free_ones(self, app: Running) -> None:
        identity, subject = identity_of(app), Subject(Kind.ACCOUNT, new_email().encode())

        async def guess() -> bool:
            try:
                await service.take(identity.db, identity.keys, [subject])
            except TooManyGuesses:
                return False
            return True

        heard = await asyncio.gather(*[guess() for _ in range(40)])
        assert sum(heard) == POLICIES[Kind.ACCOUNT].free

    async def test_one_that_is_blocked_counts_against_none(self, app: Running) -> None:
        identity = identity_of(app)
        one, other = (Subject(Kind.ACCOUNT, new_email().encode()) for _ in range(2))
        for _ in range(5):
            await service.take(identity.db, identity.keys, [one])
        with pytest.raises(TooManyGuesses):
            await service.take(identity.db, identity.keys, [other, one])
        assert await service.take(identity.db, identity.keys, [other]) == 1

    async def test_a_right_one_clears_an_account_and_gives_an_address_one_back(self, app: Running) -> None:
        identity = identity_of(app)
        both = [Subject(Kind.ACCOUNT, new_email().encode()), Subject(Kind.ADDRESS, some_address().encode())]
        for _ in range(4):
            await service.take(identity.db, identity.keys, both)
        async with identity.db.housekeeping() as tx:
            await service.was_right(tx, identity.keys, both)
        assert await service.take(identity.db, identity.keys, both[:1]) == 1
        assert await service.take(identity.db, identity.keys, both[1:]) == 4


async def longer(app: Running, email: str) -> None:
    """Let the wait for an account be a minute longer, so that a slow machine does not sit it out."""
    identity = identity_of(app)
    subject = service.digest(identity.keys, account(email.lower().encode()))
    async with identity.db.housekeeping() as tx:
        sql = "UPDATE guesses SET blocked_until = blocked_until + 60000000000 WHERE subject = $1"
        await tx.driver_sql(sql, (subject,))


class TestFiftyWrongPasswords:
    @pytest.mark.parametrize("exists", [True, False])
    async def test_they_are_slowed_and_recorded_and_the_right_one_waits_too(
        self, app: Running, web: httpx.AsyncClient, someone: Someone, exists: bool
    ) -> None:
        email = someone.email if exists else new_email()
        body = {"email": email, "password": "wrong horse battery"}
        seen = [(await web.post("/auth/login", json=body)).status_code for _ in range(50)]
        assert set(seen) == {401, 429}
        assert seen.count(401) <= 8
        await longer(app, email)
        answer = await web.post("/auth/login", json={**body, "password": someone.password})
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_guesses")
        assert int(answer.headers["retry-after"]) >= 1
        subject = someone.id if exists else "unknown"
        failures = [data for event, data in await events(app, None, subject) if event == "auth.login_failed"]
        assert failures[-1]["failures"] >= 5
        elsewhere = await web.post("/auth/login", json=body, headers={"x-forwarded-for": some_address()})
        assert elsewhere.status_code == 429

    async def test_an_address_that_tries_many_accounts_is_slowed(self, web: httpx.AsyncClient) -> None:
        async def attempt() -> int:
            return (await web.post("/auth/login", json={"email": new_email(), "password": "x"})).status_code

        assert [await attempt() for _ in range(30)] == [401] * 30
        async with asyncio.timeout(60):  # some are given back while the passwords are looked at
            while 429 not in await asyncio.gather(*[attempt() for _ in range(8)]):
                pass
