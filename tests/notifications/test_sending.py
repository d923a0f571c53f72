"""From a recorded event to a mail or a webhook: told on the right channels, at the right time, again after failures."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from aiohttp import web

from provenance.connections.notifying import ConnectionsWay
from provenance.connections.running import Connections
from provenance.core.clock import utc
from provenance.core.egress import Egress
from provenance.notifications.sending import Notifier
from provenance.notifications.slack import Slack
from tests.conftest import Running, Tenant
from tests.identity.conftest import Someone, make_person_of
from tests.notifications.conftest import Post
from tests.notifications.test_settings import PATH, RULE, SECRET
from tests.streams.conftest import Happen, id_of
from tests.streams.stand_ins import HttpTarget, served

pytestmark = pytest.mark.usefixtures("feeding")


class Hook(HttpTarget):
    """A webhook that takes one signed event at a time."""

    def take(self, request: web.Request, body: bytes) -> web.Response:
        signed = request.headers["x-provenanceone-timestamp"].encode() + b"." + body
        assert request.headers["x-provenanceone-signature"] == hmac.digest(SECRET.encode(), signed, "sha256").hex()
        return self.keep([json.loads(body)]) or web.Response()


@pytest.fixture
async def notifier(near: Running, post: Post) -> AsyncIterator[Notifier]:
    egress = Egress(near.ledger.settings.egress_allow)
    slack = Slack(ConnectionsWay(Connections(near.ledger, egress)))
    made = Notifier(near.ledger, egress, post.courier, slack)
    yield made
    await made.stop()
    await egress.close()


async def configure(admin: httpx.AsyncClient, rules: list[dict[str, Any]], **channels: Any) -> None:
    answer = await admin.put(PATH, json={"channels": channels, "rules": rules})
    assert answer.status_code == 200, answer.text


async def waiting(near: Running, place: Tenant) -> list[tuple[int, str, int]]:
    sql = "SELECT number, channel, due_at FROM notification_deliveries WHERE workspace_id = $1 ORDER BY number, channel"
    async with near.ledger.db.housekeeping() as tx:
        return [tuple(row) for row in (await tx.driver_sql(sql, (id_of(place),))).all()]


async def until_noted(near: Running, place: Tenant, count: int) -> list[tuple[int, str, int]]:
    async with asyncio.timeout(30):
        while len(found := await waiting(near, place)) < count:
            await asyncio.sleep(0.02)
    return found


async def tell(notifier: Notifier, near: Running) -> None:
    """Let everything be due, and tell it."""
    async with near.ledger.db.housekeeping() as tx:
        await tx.driver_sql("UPDATE notification_deliveries SET due_at = 0")
    await notifier.take()
    await asyncio.gather(*notifier.running)


class TestMail:
    async def test_an_event_becomes_a_mail_to_all_recipients(
        self, near: Running, place: Tenant, admin: httpx.AsyncClient, happen: Happen, post: Post, notifier: Notifier
    ) -> None:
        someone: Someone = await make_person_of(near, place)
        gone = "user_" + "0" * 26
        email = {"enabled": True, "recipients": ["ops@example.com", someone.id, gone]}
        await configure(admin, [{**RULE, "minRisk": "high"}], email=email)
        await happen(1, "run.failed", risk="medium")
        [seq] = await happen(
            1, "run.failed", risk="high", resource_id="run_1\r\nBcc: x@y", data={"secretish": "canary"}
        )
        assert [each[:2] for each in await until_noted(near, place, 1)] == [(seq, "email")]
        await tell(notifier, near)
        [mail] = post.mails
        assert post.envelopes == [["ops@example.com", someone.email]]
        assert mail["Subject"] == "[Provenance] run.failed: run_1 Bcc: x@y"
        assert f"number {seq}" in mail.get_content()
        assert "canary" not in mail.get_content()
        assert await waiting(near, place) == []

    async def test_a_refused_mail_is_told_again_under_the_same_name(
        self, near: Running, place: Tenant, admin: httpx.AsyncClient, happen: Happen, post: Post, notifier: Notifier
    ) -> None:
        await configure(admin, [RULE], email={"enabled": True, "recipients": ["ops@example.com"]})
        await happen(1, "run.failed")
        await until_noted(near, place, 1)
        post.fault = lambda word: b"451 later\r\n" if word == "TEXT" else None
        await tell(notifier, near)
        assert len(await waiting(near, place)) == 1
        post.fault = lambda word: None
        await tell(notifier, near)
        assert len({mail["Message-ID"] for mail in post.mails}) == 1
        assert await waiting(near, place) == []

    async def test_after_a_day_it_is_given_up_and_recorded(
        self, near: Running, place: Tenant, admin: httpx.AsyncClient, happen: Happen, post: Post, notifier: Notifier
    ) -> None:
        await configure(admin, [RULE], email={"enabled": True, "recipients": ["ops@example.com"]})
        [seq] = await happen(1, "run.failed")
        await until_noted(near, place, 1)
        async with near.ledger.db.housekeeping() as tx:
            await tx.driver_sql("UPDATE notification_deliveries SET created_at = 0")
        post.fault = lambda word: b"554 no\r\n" if word == "MAIL" else None
        await tell(notifier, near)
        assert await waiting(near, place) == []
        event = (await admin.get("/audit", params={"eventType": "notifications.undelivered"})).json()["items"][0]
        assert event["detail"] == {"channel": "email", "seq": seq, "reason": "MailRefused"}
        assert event["outcome"] == "error"

    async def test_what_was_switched_off_meanwhile_is_told_nobody(
        self, near: Running, place: Tenant, admin: httpx.AsyncClient, happen: Happen, post: Post, notifier: Notifier
    ) -> None:
        await configure(admin, [RULE], email={"enabled": True, "recipients": ["ops@example.com"]})
        await happen(1, "run.failed")
        await until_noted(near, place, 1)
        await configure(admin, [])
        await tell(notifier, near)
        assert (post.mails, await waiting(near, place)) == ([], [])


class TestWebhook:
    async def test_an_event_is_posted_signed_and_again_after_a_failure(
        self, near: Running, place: Tenant, admin: httpx.AsyncClient, happen: Happen, notifier: Notifier
    ) -> None:
        async with served(Hook()) as hook:
            channel = {"url": f"{hook.url}/in", "secret": SECRET, "plaintext": True}
            rules = [{"event": "audit_stream.failing", "channels": ["webhook"]}]
            await configure(admin, rules, webhook=channel)
            [seq] = await happen(1, "audit_stream.failing")
            await until_noted(near, place, 1)
            hook.fault = lambda: web.Response(status=500)
            await tell(notifier, near)
            assert len(await waiting(near, place)) == 1
            hook.fault = lambda: None
            await tell(notifier, near)
        assert hook.seqs == [seq]
        assert hook.events[0]["eventType"] == "audit_stream.failing"
        assert await waiting(near, place) == []


class TestInApp:
    async def test_a_rule_fills_the_inboxes_of_whom_the_channel_names(
        self, near: Running, place: Tenant, admin: httpx.AsyncClient, happen: Happen
    ) -> None:
        me = (await admin.get("/auth/session")).json()["user"]["userId"]
        to = [{"kind": "user", "id": me}]
        rules = [{**RULE, "channels": ["inApp"], "minRisk": "high"}]
        await configure(admin, rules, inApp={"enabled": True, "to": to})
        await happen(1, "run.failed", risk="medium")
        [seq] = await happen(1, "run.failed", risk="high", data={"name": "Nightly"})
        async with asyncio.timeout(20):
            while not (found := (await admin.get("/api/notifications/inbox")).json()["items"]):
                await asyncio.sleep(0.02)
        entry = found[0]
        assert (entry["seq"], entry["eventType"], entry["title"]) == (seq, "run.failed", "Nightly")
        assert await waiting(near, place) == []


class TestQuietHours:
    async def test_what_falls_into_them_waits_for_their_end(
        self, near: Running, place: Tenant, admin: httpx.AsyncClient, happen: Happen, post: Post, notifier: Notifier
    ) -> None:
        now = datetime.now(UTC)
        hours = {"from": f"{now - timedelta(hours=1):%H:%M}", "to": f"{now + timedelta(hours=2):%H:%M}"}
        email = {"enabled": True, "recipients": ["ops@example.com"]}
        await configure(admin, [{**RULE, "quietHours": hours}], email=email)
        await happen(1, "run.failed")
        [(_, _, due_at)] = await until_noted(near, place, 1)
        assert timedelta(hours=1, minutes=50) < utc(due_at) - now <= timedelta(hours=2)
        await notifier.take()
        assert not notifier.running
        assert post.mails == []
