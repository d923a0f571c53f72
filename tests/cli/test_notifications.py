"""`provenance notifications` against the run's server: an inbox is read, rules come and go."""

import json
from pathlib import Path
from typing import Any

import pytest

from provenance.core import ids
from provenance.core.clock import NANOS
from provenance.notifications.inbox import queries
from provenance.notifications.inbox.schemas import News
from tests.cli.process import Person
from tests.cli.test_people import signed_in
from tests.cli.zygote import Zygote
from tests.conftest import Running, Tenant


@pytest.fixture
async def reader(app: Running, workspace: Tenant, tmp_path: Path, zygote: Zygote) -> Any:
    person, found = await signed_in(app, workspace, tmp_path, zygote)
    async with found:
        yield person


async def put(app: Running, workspace: Tenant, number: int) -> str:
    """Put something into the inbox of every administrator; return its id."""
    news = News(number, ids.new_uuid(), "run.failed", "high", "run_1", "Nightly", ids.new_uuid(), NANOS)
    async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
        await queries.put(tx, news, await queries.members_meant(tx, ["role:admin"], 9))
    return ids.encode("evt", news.id)


async def test_an_inbox_is_listed_and_read(app: Running, workspace: Tenant, reader: Person) -> None:
    first, _, last = [await put(app, workspace, number) for number in (1, 2, 3)]
    listed = json.loads(await reader.get("notifications", "inbox", "--json"))
    assert [each["seq"] for each in listed] == [3, 2, 1]
    assert "Nightly" in await reader.get("notifications", "inbox")
    await reader.get("notifications", "read", first)
    listed = json.loads(await reader.get("notifications", "inbox", "--unread", "-n", "1", "--json"))
    assert [each["notificationId"] for each in listed] == [last]
    await reader.get("notifications", "read", "--all")
    assert json.loads(await reader.get("notifications", "inbox", "--unread", "--json")) == []
    assert "Name one notification" in (await reader.run("notifications", "read")).stderr


async def test_rules_come_and_go(reader: Person) -> None:
    refused = await reader.run("notifications", "rules", "add", "run.failed", "--channel", "email")
    assert (refused.returncode != 0, "is not set up or off" in refused.stderr) == (True, True)
    assert json.loads(await reader.get("notifications", "rules", "list", "--json")) == []
    assert "There are 0 rules" in (await reader.run("notifications", "rules", "rm", "1")).stderr


async def test_a_rule_is_added_beside_others_and_removed_by_its_number(
    app: Running, workspace: Tenant, tmp_path: Path, zygote: Zygote
) -> None:
    person, web = await signed_in(app, workspace, tmp_path, zygote)
    async with web:
        hook = {"url": "https://hooks.example.com/in", "secret": "canary-of-a-rule-at-a-shell"}
        channels = {"inApp": {"enabled": True}, "webhook": hook}
        assert (await web.put("/workspace/notifications", json={"channels": channels})).status_code == 200
        for event in ("run.failed", "run.completed"):
            added = ("--channel", "inApp", "--channel", "webhook", "--min-risk", "high", "--environment", "production")
            assert "is told on inApp, webhook" in await person.get("notifications", "rules", "add", event, *added)
        assert "run.completed" in await person.get("notifications", "rules", "list")
        await person.get("notifications", "rules", "rm", "1")
        shown = (await web.get("/workspace/notifications")).json()
    assert [each["event"] for each in shown["rules"]] == ["run.completed"]
    assert shown["channels"]["webhook"]["hasSecret"]
