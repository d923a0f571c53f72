"""`provenance approvals` against the run's server: somebody at a shell sees what is asked, and decides."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.approvals.conftest import Workflows
from tests.cli.process import Person
from tests.cli.test_people import signed_in
from tests.cli.zygote import Zygote
from tests.conftest import Running, Tenant


@pytest.fixture
async def reviewer(app: Running, workspace: Tenant, tmp_path: Path, zygote: Zygote) -> Any:
    person, found = await signed_in(app, workspace, tmp_path, zygote)
    async with found:
        yield person


async def test_what_is_asked_is_listed_shown_and_decided(reviewer: Person, client: httpx.AsyncClient) -> None:
    workflows = Workflows(client)
    first = await workflows.ask(given={"amount": 5}, title="Pay the bill?", assignees=[{"kind": "role", "id": "admin"}])
    second = await workflows.ask(risk="critical", title="Delete all?", evidence=[{"label": "Rows", "value": 9}])
    assert "Pay the bill?" in await reviewer.get("approvals", "list")
    mine = json.loads(await reviewer.get("approvals", "list", "--mine", "--json"))
    assert [each["approvalId"] for each in mine] == [first["approvalId"]]
    shown = await reviewer.get("approvals", "show", second["approvalId"])
    assert "Delete all? (critical risk): pending" in shown
    assert "Rows" in shown
    stale = await reviewer.run("approvals", "approve", first["approvalId"], "--revision", "2")
    assert (stale.returncode, "revision" in stale.stderr) != (0, False)
    done = await reviewer.get("approvals", "approve", first["approvalId"], "-m", "Fine.", "--payload", '{"amount": 4}')
    assert done == f"{first['approvalId']} is approved.\n"
    assert "Others have to approve" in await reviewer.get("approvals", "approve", second["approvalId"])
    assert "rejected" in await reviewer.get("approvals", "reject", second["approvalId"], "-m", "No.")
    listed = json.loads(await reviewer.get("approvals", "list", "--status", "any", "--json"))
    assert [each["status"] for each in listed] == ["rejected", "approved"]
    shown = json.loads(await reviewer.get("approvals", "show", first["approvalId"], "--json"))
    assert (shown["payload"], shown["decisions"][-1]["comment"]) == ({"amount": 4}, "Fine.")


async def test_a_key_lists_and_does_not_decide(person: Person, client: httpx.AsyncClient) -> None:
    approval = await Workflows(client).ask()
    assert approval["approvalId"] in await person.get("approvals", "list")
    refused = await person.run("approvals", "approve", approval["approvalId"])
    assert refused.returncode != 0
    assert "provenance login" in refused.stderr
    wrong = await person.run("approvals", "approve", approval["approvalId"], "--payload", "{")
    assert "no JSON" in wrong.stderr
