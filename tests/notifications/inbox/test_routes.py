"""The inbox over HTTP: what came in, how much is unread, what was read; each person's own."""

import uuid
from typing import Any

import pytest

from provenance.core import ids
from provenance.core.actor import Role
from provenance.core.clock import NANOS
from provenance.notifications.inbox import queries, service
from provenance.notifications.inbox.schemas import KEPT_DAYS, News
from tests.conftest import MakeTenant, Running, Tenant
from tests.identity.people import As, MakeAs, also_in, make_as, rows

__all__ = ["make_as"]

INBOX, PREFERENCES = "/api/notifications/inbox", "/api/notifications/preferences"


@pytest.fixture
async def someone(make_as: MakeAs) -> As:
    return await make_as(Role.VIEWER)


def person_of(someone: As) -> uuid.UUID:
    found = ids.decode("user", someone.id)
    assert found is not None
    return found


async def put(app: Running, workspace: Tenant, number: int, *people: As, **about: Any) -> News:
    """Put something into people's inboxes."""
    told = {"event": "run.failed", "risk": "high", "resource_id": "run_1", "title": "Nightly", **about}
    news = News(number=number, id=ids.new_uuid(), uow_id=uuid.UUID(int=number), recorded_at=NANOS, **told)
    async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
        await queries.put(tx, news, [person_of(each) for each in people])
    return news


class TestList:
    async def test_newest_first_in_pages_with_what_is_unread(
        self, app: Running, workspace: Tenant, someone: As
    ) -> None:
        assert (await someone.get(INBOX)).json() == {"items": [], "nextCursor": None, "unread": 0}
        for number in (5, 9, 7):
            news = await put(app, workspace, number, someone)
        first = (await someone.get(INBOX, params={"limit": 2})).json()
        assert ([each["seq"] for each in first["items"]], first["unread"]) == ([9, 7], 3)
        assert first["items"][1] == {
            "notificationId": ids.encode("evt", news.id),
            "seq": 7,
            "eventType": "run.failed",
            "risk": "high",
            "objectKind": "run",
            "objectId": "run_1",
            "title": "Nightly",
            "uowId": str(uuid.UUID(int=7)),
            "at": "1970-01-01T00:00:01.000Z",
            "readAt": None,
        }
        rest = (await someone.get(INBOX, params={"limit": 2, "cursor": first["nextCursor"]})).json()
        assert ([each["seq"] for each in rest["items"]], rest["nextCursor"]) == ([5], None)
        other = {"cursor": first["nextCursor"], "unread": True}
        assert await someone.say("GET", f"{INBOX}?unread=true&cursor={other['cursor']}") == (400, "bad_cursor")

    async def test_it_is_mine_in_this_workspace(
        self, app: Running, workspace: Tenant, someone: As, make_as: MakeAs, make_tenant: MakeTenant
    ) -> None:
        other, elsewhere = await make_as(Role.ADMIN), await make_tenant()
        await also_in(app, someone, elsewhere, Role.ADMIN)
        await put(app, elsewhere, 1, someone)
        news = await put(app, workspace, 2, other)
        assert (await someone.get(INBOX)).json()["items"] == []
        path = f"{INBOX}/{ids.encode('evt', news.id)}/read"
        assert await someone.say("POST", path) == (404, "notification_not_found")
        assert (await other.get(INBOX)).json()["unread"] == 1

    async def test_no_key_has_one(self, app: Running, workspace: Tenant, someone: As) -> None:
        key = {"x-api-key": workspace.key, "authorization": ""}
        del someone.headers["authorization"]
        assert (await someone.get(INBOX, headers={"x-api-key": key["x-api-key"]})).json()["code"] == "people_only"


class TestRead:
    async def test_one_keeps_the_time_at_which_it_was_read(self, app: Running, workspace: Tenant, someone: As) -> None:
        news = await put(app, workspace, 1, someone)
        path = f"{INBOX}/{ids.encode('evt', news.id)}/read"
        first = (await someone.post(path)).json()
        assert first["readAt"] is not None
        assert (await someone.post(path)).json() == first
        assert (await someone.get(INBOX, params={"unread": True})).json() == {
            "items": [],
            "nextCursor": None,
            "unread": 0,
        }

    async def test_all_of_it_or_up_to_what_was_seen(self, app: Running, workspace: Tenant, someone: As) -> None:
        for number in (1, 2, 3):
            await put(app, workspace, number, someone)
        assert (await someone.post(f"{INBOX}/read", json={"upTo": 2})).json() == {"unread": 1}
        assert (await someone.post(f"{INBOX}/read", json={})).json() == {"unread": 0}

    async def test_what_is_told_twice_is_there_once(self, app: Running, workspace: Tenant, someone: As) -> None:
        for _ in range(2):
            await put(app, workspace, 1, someone)
        assert (await someone.get(INBOX)).json()["unread"] == 1


class TestForgetting:
    async def test_what_is_old_and_who_left(
        self, app: Running, workspace: Tenant, someone: As, make_as: MakeAs
    ) -> None:
        other = await make_as(Role.VIEWER)
        for number in (1, 2):
            await put(app, workspace, number, someone, other)
        async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
            old = tx.now - (KEPT_DAYS * 24 * 3600 + 1) * NANOS
            await tx.driver_sql("UPDATE notification_inbox SET created_at = $1 WHERE number = 1", (old,))
        assert await service.forget_old(app.ledger.db) is False
        assert [each["seq"] for each in (await someone.get(INBOX)).json()["items"]] == [2]
        async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
            await service.forget_person(tx, someone.id)
        assert (await someone.get(INBOX)).json()["unread"] == 0
        assert (await other.get(INBOX)).json()["unread"] == 1


class TestPreferences:
    async def test_are_kept_shown_and_recorded(self, app: Running, workspace: Tenant, someone: As) -> None:
        usual = {
            "approvalMail": True,
            "quietHours": None,
            "digest": "off",
            "digestHour": 8,
            "timezone": "UTC",
        }
        assert (await someone.get(PREFERENCES)).json() == usual
        quiet = {"from": "22:00", "to": "07:00", "timezone": "Europe/Berlin"}
        mine = {
            "approvalMail": False,
            "quietHours": quiet,
            "digest": "weekly",
            "digestHour": 6,
            "timezone": "Asia/Tokyo",
        }
        assert (await someone.put(PREFERENCES, json=mine)).json() == mine
        assert (await someone.get(PREFERENCES)).json() == mine
        [(event, _, data)] = await rows(app, workspace.id, "NOTIFICATIONS")
        assert (event, data) == ("notifications.preferences_updated", mine)
        assert (await someone.put(PREFERENCES, json={})).json() == usual

    async def test_what_can_not_be(self, someone: As) -> None:
        for wrong in (
            {"timezone": "Mars/Olympus"},
            {"digest": "hourly"},
            {"digestHour": 24},
            {"quietHours": {"from": "08:00", "to": "08:00"}},
            {"more": 1},
        ):
            assert (await someone.put(PREFERENCES, json=wrong)).status_code == 400
