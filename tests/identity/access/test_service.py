"""What a process remembers of credentials, and how soon it forgets: on this process and on another one."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx
import pytest

from provenance.core import ids
from provenance.core.actor import Actor, Kind
from provenance.identity import service as people
from provenance.identity.access.epoch import Epoch
from provenance.identity.access.memory import Memory
from provenance.identity.sessions.signing import rotate_signing_key
from tests.conftest import Running, Tenant
from tests.identity.conftest import Someone, bearer, identity_of, sign_in

ACTOR = Actor(Kind.KEY, "key_x", ids.new_uuid())


def still() -> Epoch:
    return Epoch("postgresql://nobody@localhost/nothing")


class TestMemory:
    def memory(self, epoch: Epoch, until: float = float("inf")) -> tuple[Memory, list[bytes]]:
        asked: list[bytes] = []

        async def look_up(sent: bytes) -> tuple[Actor, float]:
            asked.append(sent)
            return ACTOR, until

        return Memory(epoch, look_up), asked

    async def test_it_recalls_what_was_true_within_a_second(self) -> None:
        memory, asked = self.memory(still())
        assert memory.recall(b"x") is None
        assert await memory.ask(b"x") is ACTOR
        assert memory.recall(b"x") is ACTOR
        assert asked == [b"x"]

    async def test_another_epoch_is_another_truth(self) -> None:
        epoch = still()
        memory, _ = self.memory(epoch)
        await memory.ask(b"x")
        epoch.number += 1
        assert memory.recall(b"x") is None

    async def test_without_news_nothing_is_recalled_after_a_second(self, monkeypatch: pytest.MonkeyPatch) -> None:
        epoch = still()
        memory, _ = self.memory(epoch)
        await memory.ask(b"x")
        now = time.monotonic() + 1.01
        monkeypatch.setattr(time, "monotonic", lambda: now)
        assert memory.recall(b"x") is None
        epoch.asked = now - 0.5
        assert memory.recall(b"x") is ACTOR

    async def test_what_ran_out_is_not_recalled(self) -> None:
        memory, _ = self.memory(still(), until=time.time() - 1)
        await memory.ask(b"x")
        assert memory.recall(b"x") is None

    async def test_an_epoch_that_moves_during_the_look_up_counts_as_the_older(self) -> None:
        epoch = still()

        async def look_up(sent: bytes) -> tuple[Actor, float]:
            epoch.number += 1
            return ACTOR, float("inf")

        memory = Memory(epoch, look_up)
        await memory.ask(b"x")
        assert memory.recall(b"x") is None


Sql = Callable[[str, tuple[object, ...]], Awaitable[None]]


@pytest.fixture
def by_hand(app: Running) -> Sql:
    """Change rows as somebody with a database shell would."""

    async def run(sql: str, parameters: tuple[object, ...]) -> None:
        async with app.ledger.db.housekeeping() as tx:
            await tx.driver_sql(sql, parameters)

    return run


async def refused_within_a_second(other: Running, headers: dict[str, str]) -> None:
    """Assert that another process lets a credential in no longer than a second from now."""
    began = asked = time.monotonic()
    async with httpx.AsyncClient(base_url=other.url, verify=False) as client, asyncio.timeout(30):
        while (await client.get("/api/actions", headers=headers)).status_code == 200:
            assert asked - began < 1.0, "a request begun a second later is let in"
            await asyncio.sleep(0.02)
            asked = time.monotonic()
        assert (await client.get("/api/actions", headers=headers)).status_code == 401


class TestAnotherProcess:
    """``mailing`` is a second server over the same database; it has let the credential in just now."""

    async def test_refuses_a_removed_member(
        self, web: httpx.AsyncClient, mailing: Running, someone: Someone, by_hand: Sql
    ) -> None:
        headers = await self.known(mailing, bearer(await sign_in(web, someone)))
        await by_hand("DELETE FROM members WHERE person_id = $1", (ids.decode("user", someone.id),))
        await refused_within_a_second(mailing, headers)

    async def test_refuses_a_session_that_ended(
        self, web: httpx.AsyncClient, mailing: Running, someone: Someone
    ) -> None:
        headers = await self.known(mailing, bearer(await sign_in(web, someone)))
        await web.post("/auth/logout", json={}, headers=headers)
        await refused_within_a_second(mailing, headers)

    async def test_refuses_an_erased_person(
        self, web: httpx.AsyncClient, app: Running, mailing: Running, someone: Someone
    ) -> None:
        headers = await self.known(mailing, bearer(await sign_in(web, someone)))
        person_id = ids.decode("user", someone.id)
        assert person_id is not None
        async with app.ledger.db.housekeeping() as tx:
            assert await people.erase_person(tx, person_id)
        await refused_within_a_second(mailing, headers)

    async def test_refuses_a_revoked_key(self, mailing: Running, workspace: Tenant, by_hand: Sql) -> None:
        headers = await self.known(mailing, {"x-api-key": workspace.key})
        await by_hand("UPDATE api_keys SET revoked_at = 1 WHERE id = $1", (workspace.key.split("_")[1],))
        await refused_within_a_second(mailing, headers)

    async def test_sees_a_lesser_role(
        self, web: httpx.AsyncClient, mailing: Running, someone: Someone, by_hand: Sql
    ) -> None:
        headers = await self.known(mailing, bearer(await sign_in(web, someone)))
        await by_hand("UPDATE members SET role = 'viewer' WHERE person_id = $1", (ids.decode("user", someone.id),))
        body = {"mnemonic": "M", "title": "M"}
        async with httpx.AsyncClient(base_url=mailing.url, verify=False) as client, asyncio.timeout(30):
            while (await client.post("/api/actions", json=body, headers=headers)).status_code != 403:
                await asyncio.sleep(0.02)

    async def known(self, other: Running, headers: dict[str, str]) -> dict[str, str]:
        async with httpx.AsyncClient(base_url=other.url, verify=False) as client:
            assert (await client.get("/api/actions", headers=headers)).status_code == 200
        return headers


class TestSigningKeys:
    async def test_a_rotated_key_stays_published_until_its_tokens_ran_out(
        self, app: Running, web: httpx.AsyncClient, someone: Someone, by_hand: Sql
    ) -> None:
        async def published() -> list[str]:
            return [key["kid"] for key in (await web.get("/auth/jwks.json")).json()["keys"]]

        old = (await published())[-1]
        signed_in = await sign_in(web, someone)
        async with app.ledger.db.housekeeping() as tx:
            new = await rotate_signing_key(tx, identity_of(app).keys)
        async with asyncio.timeout(30):
            while new not in await published():
                await asyncio.sleep(0.02)
        assert old in await published()
        assert (await web.get("/auth/me", headers=bearer(signed_in))).status_code == 200
        again = await sign_in(web, someone)
        assert (await web.get("/auth/me", headers=bearer(again))).status_code == 200
        retire = "UPDATE signing_keys SET retired_at = $1 WHERE kid = $2"
        await by_hand(retire, (1, old))
        try:
            async with asyncio.timeout(30):
                while old in await published():
                    await asyncio.sleep(0.02)
            assert (await web.get("/auth/me", headers=bearer(signed_in))).status_code == 401
        finally:  # whoever signed in before this test and lasts longer than it goes on
            await by_hand(retire, (time.time_ns(), old))
