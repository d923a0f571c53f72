"""`provenance triggers`: what starts a workflow, switched and given its secret from the command line."""

import json

import pytest

from tests.cli.process import Person
from tests.runs.event_triggers.conftest import hearing
from tests.runs.schedules.conftest import scheduled
from tests.runs.webhooks.conftest import hooked


@pytest.fixture
async def both(person: Person) -> None:
    """A live workflow with a webhook and a schedule, named Orders."""
    schedule = scheduled({"cron": "0 6 * * *", "timezone": "Europe/Paris"})
    document = hooked()
    document["steps"].append(schedule["steps"][0])
    document["edges"].append({"from": "daily", "to": "told", "on": "success"})
    await push(person, document)


async def push(person: Person, document: dict[str, object]) -> None:
    done = await person.run("workflows", "push", "-", "Orders", stdin=json.dumps(document))
    assert done.returncode == 0, done.stderr
    done = await person.run("workflows", "publish", "Orders")
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("both")
class TestTriggers:
    async def test_are_listed_and_switched(self, person: Person) -> None:
        done = await person.run("triggers", "off", "Orders", "schedule")
        assert (done.returncode, done.stderr.strip()) == (0, "The schedule trigger of Orders is off.")
        shown = await person.get("triggers", "list", "Orders")
        assert "has no secret yet" in shown
        assert "0 6 * * * Europe/Paris" in shown
        done = await person.run("triggers", "on", "Orders", "schedule")
        assert done.stderr.strip() == "The schedule trigger of Orders is on."
        found = json.loads(await person.get("triggers", "list", "Orders", "--json"))
        assert (found["schedule"]["enabled"], found["webhook"]["enabled"], found["event"]) == (True, False, None)

    async def test_what_is_not_there_is_said(self, person: Person) -> None:
        done = await person.run("triggers", "off", "Orders", "event")
        assert "has no event trigger" in done.stderr
        done = await person.run("triggers", "off", "Orders", "manual")
        assert (done.returncode, "webhook, schedule or event" in done.stderr) == (1, True)

    async def test_a_secret_is_made_and_taken(self, person: Person) -> None:
        made = await person.run("triggers", "secret", "Orders")
        assert (made.returncode, made.stdout.startswith("whsec_")) == (0, True), made.stderr
        done = await person.run(
            "triggers", "secret", "Orders", "--own", "--grace", "5", stdin="the-senders-own-secret\n"
        )
        assert done.returncode == 0, done.stderr
        assert "the-senders-own-secret" not in done.stdout + done.stderr
        assert "The one before is good until" in done.stderr
        assert json.loads(await person.get("triggers", "list", "Orders", "--json"))["webhook"]["enabled"]


async def test_an_event_with_its_filter(person: Person) -> None:
    await push(person, hearing("ledger/ORDER/+", "payload.total > 5"))
    assert "ledger/ORDER/+ where payload.total > 5" in await person.get("triggers", "list", "Orders")
