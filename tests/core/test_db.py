"""Transactions: a write records or does not commit, and one that fails leaves neither row nor number."""

import httpx
import pytest
from sqlalchemy import insert, select, text, update

from provenance.core import ids
from provenance.core.actor import Actor, Kind
from provenance.core.db import DatabaseUnavailable, NothingRecorded, QueryTooSlow, WriteTx, asyncpg_dsn, sqlalchemy_url
from provenance.ledger.service import Fact, record
from provenance.ledger.tables import catalogue, interactions, ledger_settings
from tests.conftest import Running, Tenant
from tests.ledger.test_interactions import post

FACT = Fact(resource_type="THING", action="DONE", resource_id="t-1", data={"a": 1})


@pytest.fixture
def actor(workspace: Tenant) -> Actor:
    workspace_id = ids.decode("ws", workspace.id)
    assert workspace_id is not None
    return Actor(Kind.SYSTEM, "system", workspace_id)


async def rename(tx: WriteTx) -> None:
    await tx.execute(update(catalogue).where(catalogue.c.workspace_id == tx.workspace_id).values(title="Renamed"))


async def titles(app: Running, actor: Actor) -> set[str]:
    async with app.ledger.db.read(actor) as tx:
        found = await tx.execute(select(catalogue.c.title).where(catalogue.c.workspace_id == tx.workspace_id))
        return set(found.scalars())


async def rows(app: Running, actor: Actor) -> int:
    async with app.ledger.db.read(actor) as tx:
        found = await tx.execute(select(interactions.c.number).where(interactions.c.workspace_id == tx.workspace_id))
        return len(found.all())


class TestWrite:
    async def test_a_write_that_recorded_commits_both(self, app: Running, actor: Actor) -> None:
        async with app.ledger.db.write(actor) as tx:
            await rename(tx)
            record(tx, FACT)
        assert "Renamed" in await titles(app, actor)
        assert await rows(app, actor) == 1

    async def test_a_write_that_recorded_nothing_commits_nothing(self, app: Running, actor: Actor) -> None:
        with pytest.raises(NothingRecorded):
            async with app.ledger.db.write(actor) as tx:
                await rename(tx)
        assert await titles(app, actor) == {"Platform"}

    async def test_a_statement_that_touched_no_row_is_no_write(self, app: Running, actor: Actor) -> None:
        async with app.ledger.db.write(actor) as tx:
            await tx.execute(update(catalogue).where(catalogue.c.mnemonic == "none such").values(title="x"))
        assert await rows(app, actor) == 0

    async def test_an_insert_counts_as_a_write(self, app: Running, actor: Actor) -> None:
        with pytest.raises(NothingRecorded):
            async with app.ledger.db.write(actor) as tx:
                await tx.execute(insert(ledger_settings).values(workspace_id=ids.new_uuid(), workspace="ws_x"))

    async def test_a_failed_write_leaves_neither_row_nor_number(
        self, app: Running, actor: Actor, client: httpx.AsyncClient
    ) -> None:
        assert (await post(client))["interactionNumber"] == 1

        async def fail() -> None:
            async with app.ledger.db.write(actor) as tx:
                await rename(tx)
                record(tx, FACT)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        assert await rows(app, actor) == 1
        assert "Renamed" not in await titles(app, actor)
        assert (await post(client))["interactionNumber"] == 2

    async def test_a_failure_after_the_append_leaves_no_number_and_no_word(
        self, app: Running, actor: Actor, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The append is the last statement; what can still fail is the commit itself."""
        plain = app.ledger.db._before_commit
        assert plain is not None

        async def then_fail(tx: WriteTx) -> None:
            await plain(tx)
            raise ZeroDivisionError

        monkeypatch.setattr(app.ledger.db, "_before_commit", then_fail)
        with pytest.raises(ZeroDivisionError):
            async with app.ledger.db.write(actor) as tx:
                record(tx, FACT)
        monkeypatch.undo()
        assert await rows(app, actor) == 0
        words = [word["mnemonic"] for word in (await client.get("/api/resource-types")).json()]
        assert words == []
        assert (await post(client))["interactionNumber"] == 1

    async def test_after_commit_runs_only_then(self, app: Running, actor: Actor) -> None:
        seen: list[str] = []
        async with app.ledger.db.write(actor) as tx:
            tx.after_commit.append(lambda: seen.append("after"))
            seen.append("inside")
        assert seen == ["inside", "after"]

        async def forget_to_record() -> None:
            async with app.ledger.db.write(actor) as tx:
                tx.after_commit.append(lambda: seen.append("never"))
                await rename(tx)

        with pytest.raises(NothingRecorded):
            await forget_to_record()
        assert "never" not in seen


class TestFailuresOfTheDatabase:
    async def test_a_slow_query_is_the_callers_to_narrow(self, app: Running, actor: Actor) -> None:
        async def dawdle() -> None:
            async with app.ledger.db.read(actor) as tx:
                await tx.execute(text("SET LOCAL statement_timeout = 20"))
                await tx.execute(text("SELECT pg_sleep(5)"))

        with pytest.raises(QueryTooSlow):
            await dawdle()

    async def test_a_lost_connection_is_a_503(self, app: Running, actor: Actor) -> None:
        with pytest.raises(DatabaseUnavailable) as raised:
            async with app.ledger.db.read(actor) as tx:
                await tx.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        assert raised.value.headers["Retry-After"] == "1"
        assert await rows(app, actor) == 0, "the pool goes on with a new connection"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
def test_addresses_of_every_form_are_taken(scheme: str) -> None:
    url = f"{scheme}://u:p%40ss@h:5433/d?host=/tmp"
    assert sqlalchemy_url(url).startswith("postgresql+asyncpg://u:p%40ss@h:5433/d")
    assert asyncpg_dsn(url).startswith("postgresql://u:p%40ss@h:5433/d")
