"""What a process knows of a limit: asked for seldom, counted ahead, and the same as what billing shows."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from provenance.billing import allowing, service
from provenance.billing.allowing import Allowed
from provenance.billing.counting import EVENTS, counted
from provenance.core.db import Database
from provenance.workspace.errors import PlanLimitReached
from tests.billing.conftest import LIMITS
from tests.billing.test_counting import id_of
from tests.billing.test_routes import happen
from tests.conftest import Running, Tenant, make_tenant_of

MOST = LIMITS["self_hosted"]["busMessages"]
PUBLISHED = "bus.message_published"


@contextmanager
def statements(db: Database) -> Iterator[list[str]]:
    """The statements that the database is asked meanwhile, by the pool of those who may be in a transaction."""
    said: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        said.append(statement)

    engine = db.aside.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        event.remove(engine, "before_cursor_execute", note)


@pytest.fixture
async def place(paid: Running) -> Tenant:
    return await make_tenant_of(paid.ledger)


class TestAllowed:
    async def test_without_limits_nothing_is_asked(self, app: Running, paid: Running, workspace: Tenant) -> None:
        for ledger, names in ((app.ledger, ("busMessages",)), (paid.ledger, ())):
            allowed, workspace_id = Allowed(ledger, *names), id_of(workspace)
            with statements(ledger.db) as said:
                for _ in range(10):
                    assert allowed.at_hand(workspace_id)
                    await allowed.take(workspace_id, 1_000_000)
                    await allowed.ensure(workspace_id)
                assert await allowed.left(workspace_id) is None
            assert said == []

    async def test_many_at_once_ask_once(self, paid: Running, place: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(allowing, "FRESH_SECONDS", 3600.0)
        allowed, workspace_id = Allowed(paid.ledger, "busMessages"), id_of(place)
        with statements(paid.ledger.db) as said:
            assert not allowed.at_hand(workspace_id), "it has to be asked for"
            outcomes = await asyncio.gather(
                *[allowed.take(workspace_id) for _ in range(MOST + 5)], return_exceptions=True
            )
            asked = len(said)
            assert not allowed.at_hand(workspace_id), "none is left"
            with pytest.raises(PlanLimitReached):
                await allowed.left(workspace_id)
        assert [type(each) for each in outcomes].count(PlanLimitReached) == 5
        assert 0 < asked == len(said) < 10

    async def test_what_others_use_is_seen_when_it_is_asked_for_again(
        self, paid: Running, place: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        allowed, workspace_id = Allowed(paid.ledger, "busMessages"), id_of(place)
        monkeypatch.setattr(allowing, "FRESH_SECONDS", 3600.0)
        assert await allowed.left(workspace_id) == MOST
        await happen(paid, place, PUBLISHED)
        assert await allowed.left(workspace_id) == MOST
        monkeypatch.setattr(allowing, "FRESH_SECONDS", 0.0)
        assert await allowed.left(workspace_id) == MOST - 1
        await happen(paid, place, PUBLISHED)
        await allowed.take(workspace_id)  # counted ahead until the ledger has it
        await happen(paid, place, PUBLISHED)
        with pytest.raises(PlanLimitReached):
            await allowed.take(workspace_id)

    async def test_a_plan_without_the_limit_has_none(self, paid: Running, place: Tenant) -> None:
        allowed, workspace_id = Allowed(paid.ledger, "busMessages"), id_of(place)
        async with paid.ledger.db.housekeeping(workspace_id) as tx:
            await tx.driver_sql("UPDATE workspaces SET plan = 'team' WHERE id = $1", (workspace_id,))
        await allowed.take(workspace_id, MOST + 1)
        assert allowed.at_hand(workspace_id)
        assert await allowed.left(workspace_id) is None


class TestCounted:
    async def test_counting_on_comes_to_what_is_shown(self, app: Running, workspace: Tenant) -> None:
        events = [each for names in EVENTS.values() for each in names] + ["other.thing"]
        known, workspace_id = None, id_of(workspace)
        for step in range(12):
            for each in events[: step % len(events) + 1]:
                await happen(app, workspace, each)
            if step % 3 == 2:
                await service.count(app.ledger.db, workspace_id)
            known = await self._compared(app, workspace_id, known if step % 4 else None)

    async def _compared(self, app: Running, workspace_id: uuid.UUID, before: Any) -> Any:
        async with app.ledger.db.housekeeping(workspace_id) as tx:
            catalogue = await app.ledger.catalogues.within(tx)
            found = await counted(tx, before)
            shown = (await service.usage(tx, catalogue, 0)).model_dump(by_alias=True)
        assert {name: found.of(catalogue, name) for name in EVENTS} == {name: shown[name] for name in EVENTS}
        return found

    async def test_another_month_is_counted_from_its_beginning(self, app: Running, workspace: Tenant) -> None:
        workspace_id = id_of(workspace)
        await happen(app, workspace, PUBLISHED)
        async with app.ledger.db.housekeeping(workspace_id) as tx:
            now = await counted(tx, None)
            past = now._replace(month=now.month.replace(year=2001), times=dict.fromkeys(now.times, 100))
            assert await counted(tx, past) == now
