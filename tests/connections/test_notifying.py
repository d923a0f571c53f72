"""A rule's event becomes a message in Slack, through a connection: at its real path, escaped, in its own time."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from provenance.connections.notifying import ConnectionsWay
from provenance.core import ids
from provenance.core.actor import Role
from provenance.core.db import WriteTx
from provenance.core.egress import Reply
from provenance.ledger.service import Fact, record
from provenance.notifications import queries
from provenance.notifications.schemas import ChannelKind
from provenance.notifications.sending import Notifier
from provenance.notifications.slack import LONGEST_TEXT, Slack, SlackBusy, SlackRefused, ensure_taken, escaped, message
from provenance.streams.targets.contract import NotDelivered
from tests.conftest import Running, Tenant
from tests.connections.conftest import Builder, connections_of
from tests.connections.outside import Outside
from tests.notifications.conftest import Post, post
from tests.secrets.people import signed_in

__all__ = ["post"]

PATH = "/workspace/notifications"
RULE = {"event": "run.failed", "channels": ["slack"]}


@pytest.fixture
async def admin(caller: Running, workspace: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    headers = await signed_in(caller, workspace, Role.ADMIN)
    async with httpx.AsyncClient(base_url=caller.url, headers=headers, timeout=30, verify=False) as web:
        yield web


@pytest.fixture
async def notifier(caller: Running, post: Post) -> AsyncIterator[Notifier]:
    connections = connections_of(caller)
    made = Notifier(caller.ledger, connections.egress, post.courier, Slack(ConnectionsWay(connections)))
    yield made
    await made.stop()
    async with caller.ledger.db.housekeeping() as tx:
        await tx.driver_sql("DELETE FROM notification_deliveries")


@pytest.fixture
async def connection_id(builder: Builder, admin: httpx.AsyncClient) -> str:
    """A connection to Slack, and a rule that tells of failed runs in one of its channels."""
    found = await builder.connected("slack")
    asked = {"channels": {"slack": {"connectionId": found, "channel": "#ops"}}, "rules": [RULE]}
    answer = await admin.put(PATH, json=asked)
    assert answer.status_code == 200, answer.text
    return found


async def fail(builder: Builder, name: str = "Nightly") -> int:
    """Let a run fail, and note that it is to be told; return its number."""
    workspace_id = builder.actor.workspace_id
    async with builder.app.ledger.db.housekeeping(workspace_id) as tx:
        record(tx, Fact(resource_type="RUN", action="FAILED", resource_id="run_1", data={"name": name}, domain="run"))
    async with builder.app.ledger.db.housekeeping(workspace_id) as tx:
        number = await _newest(tx)
        await queries.add(tx, number, {ChannelKind.SLACK: 0})
    return number


async def _newest(tx: WriteTx) -> int:
    sql = "SELECT max(number) FROM interactions WHERE workspace_id = $1"
    return int((await tx.driver_sql(sql, (tx.workspace_id,))).scalar_one())


async def tell(builder: Builder, notifier: Notifier) -> None:
    await notifier.take()
    await asyncio.gather(*notifier.running)


async def waits(builder: Builder) -> list[int]:
    """Return for how many seconds what is still to be told waits."""
    async with builder.app.ledger.db.housekeeping(builder.actor.workspace_id) as tx:
        sql = "SELECT due_at FROM notification_deliveries WHERE workspace_id = $1"
        found = (await tx.driver_sql(sql, (tx.workspace_id,))).scalars().all()
        return [round((due_at - tx.now) / 10**9) for due_at in found]


def said(outside: Outside) -> list[dict[str, Any]]:
    return [msgspec.json.decode(body) for _, path, _, body in outside.calls if path == "/slack/chat.postMessage"]


class TestTelling:
    async def test_an_event_becomes_a_message_and_the_access_is_recorded(
        self, builder: Builder, outside: Outside, connection_id: str, notifier: Notifier, admin: httpx.AsyncClient
    ) -> None:
        await fail(builder, "<!channel> & co")
        await tell(builder, notifier)
        [sent] = said(outside)
        assert sent["channel"] == "#ops"
        assert "&lt;!channel&gt; &amp; co" in sent["text"]
        assert await waits(builder) == []
        events = (await admin.get("/audit", params={"eventType": "connection.accessed"})).json()["items"]
        assert events[0]["objectId"] == connection_id

    async def test_slack_is_given_the_time_it_asks_for(
        self, builder: Builder, outside: Outside, connection_id: str, notifier: Notifier
    ) -> None:
        outside.slack_says, outside.headers = (429, {"ok": False, "error": "ratelimited"}), [(b"retry-after", b"1200")]
        await fail(builder)
        await tell(builder, notifier)
        await fail(builder)
        await tell(builder, notifier)
        assert len(said(outside)) == 1
        assert all(1100 < each <= 1200 for each in await waits(builder))
        assert len(await waits(builder)) == 2

    async def test_what_no_repeat_helps_is_given_up_at_once_and_recorded(
        self, builder: Builder, outside: Outside, connection_id: str, notifier: Notifier, admin: httpx.AsyncClient
    ) -> None:
        outside.slack_says = (200, {"ok": False, "error": "channel_not_found"})
        number = await fail(builder)
        await tell(builder, notifier)
        assert await waits(builder) == []
        event = (await admin.get("/audit", params={"eventType": "notifications.undelivered"})).json()["items"][0]
        assert event["detail"] == {"channel": "slack", "seq": number, "reason": "channel_not_found"}

    async def test_a_credential_that_is_not_taken_shows_at_the_connection(
        self, builder: Builder, outside: Outside, connection_id: str, notifier: Notifier
    ) -> None:
        outside.tokens.clear()
        await fail(builder)
        await tell(builder, notifier)
        shown = await builder.get(connection_id)
        assert (shown["status"], shown["lastError"]) == ("error", "The service does not accept the credential.")
        assert len(await waits(builder)) == 1

    async def test_a_connection_that_is_gone_is_tried_for_a_day(
        self, builder: Builder, outside: Outside, connection_id: str, notifier: Notifier, admin: httpx.AsyncClient
    ) -> None:
        assert (await admin.delete(f"/connections/{connection_id}")).status_code == 200
        await fail(builder)
        await tell(builder, notifier)
        assert len(await waits(builder)) == 1
        async with builder.app.ledger.db.housekeeping() as tx:
            await tx.driver_sql("UPDATE notification_deliveries SET created_at = 0, due_at = 0")
        await tell(builder, notifier)
        event = (await admin.get("/audit", params={"eventType": "notifications.undelivered"})).json()["items"][0]
        assert event["detail"]["reason"] == "connection_not_found"


class TestSettings:
    async def test_the_connection_must_lead_to_slack(self, builder: Builder, admin: httpx.AsyncClient) -> None:
        elsewhere = (await builder.make("github"))["connectionId"]
        nothing = ids.encode("conn", ids.new_uuid())
        for wrong in (elsewhere, nothing, "conn_x"):
            asked = {"channels": {"slack": {"connectionId": wrong, "channel": "#ops"}}, "rules": [RULE]}
            answer = await admin.put(PATH, json=asked)
            assert (answer.status_code, answer.json()["code"]) == (400, "channel_not_set_up")


@pytest.mark.parametrize(
    ("reply", "raised"),
    [
        (Reply(200, {}, b'{"ok":true}'), None),
        (Reply(429, {}, b""), SlackBusy),
        (Reply(200, {}, b'{"ok":false,"error":"rate_limited"}'), SlackBusy),
        (Reply(503, {}, b"<html>"), NotDelivered),
        (Reply(200, {}, b"[]"), SlackRefused),
        (Reply(200, {}, b'{"ok":false,"error":"<b>\\n"}'), SlackRefused),
        (Reply(200, {}, b'{"ok":"true"}'), SlackRefused),
    ],
    ids=["ok", "429", "rate_limited", "503", "a list", "a strange word", "a strange yes"],
)
def test_answers(reply: Reply, raised: type[Exception] | None) -> None:
    if raised is None:
        ensure_taken(reply)
        return
    with pytest.raises(raised) as caught:
        ensure_taken(reply)
    assert "<b>" not in str(caught.value)


def test_a_message_is_plain_and_short() -> None:
    assert escaped("<https://a|b> & <@U1>") == "&lt;https://a|b&gt; &amp; &lt;@U1&gt;"
    assert len(message("#c", "t", "x" * 10_000)["text"]) == LONGEST_TEXT
