"""The digest of an inbox: when it is due, what it says, and that it says nothing twice."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.core import ids
from provenance.core.actor import Role
from provenance.core.clock import nanos, utc
from provenance.notifications.inbox.mailing import InboxDigests
from provenance.notifications.inbox.schemas import Told
from provenance.notifications.inbox.service import mailed_at, next_digest
from tests.conftest import Running, Tenant
from tests.identity.people import As, MakeAs, make_as
from tests.notifications.conftest import Post
from tests.notifications.inbox.test_routes import INBOX, PREFERENCES, put

__all__ = ["make_as"]

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]
_FIRST = datetime(2020, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 15 * 365 * 24 * 60).map(lambda minutes: _FIRST + timedelta(minutes=minutes))


@pytest.fixture
async def someone(app: Running, make_as: MakeAs) -> AsyncIterator[As]:
    yield await make_as(Role.VIEWER)
    async with app.ledger.db.housekeeping() as tx:
        await tx.driver_sql("DELETE FROM notification_preferences")


async def send(app: Running, workspace: Tenant, post: Post) -> None:
    """Let the digests of a workspace be due, and send them."""
    async with app.ledger.db.housekeeping() as tx:
        sql = "UPDATE notification_preferences SET digest_due_at = 0 WHERE workspace_id = $1 AND digest <> 'off'"
        await tx.driver_sql(sql, (ids.decode("ws", workspace.id),))
    await InboxDigests(app.ledger, post.courier).send_due()


async def due(app: Running, workspace: Tenant) -> int:
    async with app.ledger.db.housekeeping() as tx:
        sql = "SELECT digest_due_at FROM notification_preferences WHERE workspace_id = $1"
        return int((await tx.driver_sql(sql, (ids.decode("ws", workspace.id),))).scalar_one() or 0)


class TestSending:
    async def test_it_tells_what_is_new_and_unread_once(
        self, app: Running, workspace: Tenant, someone: As, post: Post
    ) -> None:
        await put(app, workspace, 1, someone, title="Before")
        await someone.put(PREFERENCES, json={"digest": "daily"})
        await send(app, workspace, post)
        assert post.mails == []
        for number, title in ((2, "Pay\r\nBcc: x@y.example"), (3, "Another")):
            await put(app, workspace, number, someone, event="approval.requested", title=title)
        read = await put(app, workspace, 4, someone, title="Read already")
        await someone.post(f"{INBOX}/{ids.encode('evt', read.id)}/read")
        await send(app, workspace, post)
        await send(app, workspace, post)
        [mail], [to] = post.mails, post.envelopes
        assert (to, mail["Subject"]) == ([someone.email], "[Provenance] 2 new for you, 3 unread")
        text = mail.get_content()
        assert "approval.requested  Pay Bcc: x@y.example" in text
        assert "Before" not in text
        assert "Read already" not in text
        assert (await someone.get(INBOX)).json()["unread"] == 3

    async def test_a_refused_one_is_tried_again_soon_under_the_same_name(
        self, app: Running, workspace: Tenant, someone: As, post: Post
    ) -> None:
        await someone.put(PREFERENCES, json={"digest": "daily"})
        await put(app, workspace, 1, someone)
        post.fault = lambda word: b"451 later\r\n" if word == "TEXT" else None
        await send(app, workspace, post)
        assert utc(await due(app, workspace)) < datetime.now(UTC) + timedelta(minutes=15)
        post.fault = lambda word: None
        await send(app, workspace, post)
        assert len(post.mails) == 2
        assert len({mail["Message-ID"] for mail in post.mails}) == 1


@given(now=MOMENTS, zone=st.sampled_from(ZONES), hour=st.integers(0, 23), weekly=st.booleans())
@settings(max_examples=300)
def test_it_is_due_at_its_hour_whatever_the_clocks_do(now: datetime, zone: str, hour: int, weekly: bool) -> None:
    told = Told(UUID(int=1), digest="weekly" if weekly else "daily", digest_hour=hour, timezone=zone)
    due_at = next_digest(told, nanos(now))
    assert due_at is not None
    found = utc(due_at)
    assert now < found <= now + timedelta(days=15 if weekly else 3)
    local = found.astimezone(ZoneInfo(zone))
    skipped = local.hour != hour  # the clocks left the hour out: then it is told when they did
    assert not skipped or (found - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).hour in ((hour - 1) % 24, hour)
    assert not weekly or local.weekday() == 0 or skipped


@given(now=MOMENTS, zone=st.sampled_from(ZONES), start=st.integers(0, 23), length=st.integers(1, 23))
@settings(max_examples=300)
def test_quiet_hours_end_within_a_day_and_hold_up_nothing_urgent(
    now: datetime, zone: str, start: int, length: int
) -> None:
    hours = {"from": f"{start:02}:00", "to": f"{(start + length) % 24:02}:00", "timezone": zone}
    told, moment = Told(UUID(int=1), quiet_hours=hours), nanos(now)
    assert mailed_at(told, "high", moment) == moment
    waits = mailed_at(told, "medium", moment) - moment
    assert 0 <= waits <= 26 * 3600 * 10**9
    at = now.astimezone(ZoneInfo(zone)).hour
    inside = (at - start) % 24 < length
    assert inside or waits == 0
