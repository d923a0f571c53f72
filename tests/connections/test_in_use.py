"""A live workflow keeps the secrets and connections that its steps name; a draft, and one taken back, keeps nothing."""

from typing import Any

import httpx
import pytest

from provenance.core.actor import Role
from tests.conftest import Running, Tenant
from tests.identity.people import As, as_person
from tests.runs.published import definition

URL = "https://api.example.com/"
MISSING = "00000000000000000000000000"


@pytest.fixture
async def admin(app: Running, workspace: Tenant) -> Any:
    async with await as_person(app, workspace, Role.ADMIN) as found:
        yield found


async def secret(admin: httpx.AsyncClient, name: str = "crm.key") -> dict[str, Any]:
    answer = await admin.post("/secrets", json={"name": name, "type": "token", "value": "a value for this test"})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def connection(admin: httpx.AsyncClient) -> dict[str, Any]:
    body = {"name": "CRM", "integration": "http", "authType": "api_key", "config": {"baseUrl": URL}}
    answer = await admin.post("/connections", json={**body, "credential": {"apiKey": "a key for this test"}})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def with_secret(named: str) -> dict[str, Any]:
    """A step of each kind that may carry a secret."""
    return definition(
        {"key": "read", "kind": "data", "config": {"source": "http", "url": URL, "secretId": named}},
        {"key": "tell", "kind": "notify", "config": {"channels": ["webhook"], "title": "t", "url": URL,
                                                     "secretId": named}},
    )  # fmt: skip


def with_connection(named: str) -> dict[str, Any]:
    return definition(
        {"key": "act", "kind": "action", "config": {"target": "connection", "connectionId": named, "url": "orders"}},
        {"key": "tell", "kind": "notify", "config": {"channels": ["slack"], "title": "t", "slackChannel": "#a",
                                                     "connectionId": named}},
    )  # fmt: skip


async def draft(admin: httpx.AsyncClient, document: dict[str, Any]) -> str:
    made = await admin.post("/workflows", json={"name": "keeper", "definition": document})
    assert made.status_code == 201, made.text
    return str(made.json()["workflowId"])


async def published(admin: httpx.AsyncClient, document: dict[str, Any]) -> str:
    workflow_id = await draft(admin, document)
    answer = await admin.post(f"/workflows/{workflow_id}/publish", json={})
    assert answer.status_code == 200, answer.text
    return workflow_id


async def ensure_kept(admin: As, path: str, *workflows: str) -> None:
    """Not deleted, and the refusal and ``usedBy`` name the workflows."""
    refused = await admin.delete(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "in_use")
    assert all(f"workflow {each}" in refused.json()["detail"] for each in workflows)
    assert sorted(each["issue"] for each in refused.json()["details"]) == sorted(workflows)
    used_by = (await admin.get(path)).json()["usedBy"]
    assert sorted((each["kind"], each["id"]) for each in used_by) == sorted(("workflow", each) for each in workflows)


@pytest.mark.parametrize("ends", ["unpublish", "delete", "next_version"])
@pytest.mark.parametrize("by", ["id", "name", "connection"])
async def test_until_no_live_version_names_it(admin: As, by: str, ends: str) -> None:
    if by == "connection":
        kept = await connection(admin)
        path, document = f"/connections/{kept['connectionId']}", with_connection(kept["connectionId"])
    else:
        kept = await secret(admin)
        path, document = f"/secrets/{kept['secretId']}", with_secret(kept["secretId" if by == "id" else "name"])
    workflow_id = await published(admin, document)
    twin = (await admin.post(f"/workflows/{workflow_id}/promote", json={"environment": "staging"})).json()["workflowId"]
    await ensure_kept(admin, path, workflow_id, twin)
    await end(admin, workflow_id, ends)
    await ensure_kept(admin, path, twin)
    assert (await admin.delete(f"/workflows/{twin}")).status_code == 200
    assert (await admin.get(path)).json()["usedBy"] == []
    assert (await admin.delete(path)).json()["deleted"] is True


async def end(admin: As, workflow_id: str, how: str) -> None:
    path = f"/workflows/{workflow_id}"
    if how == "delete":
        assert (await admin.delete(path)).status_code == 200
    elif how == "unpublish":
        assert (await admin.post(f"{path}/unpublish", json={})).status_code == 200
    else:
        revision = (await admin.get(f"{path}/draft")).json()["draftRevision"]
        body = {"definition": definition(), "draftRevision": revision}
        assert (await admin.put(f"{path}/draft", json=body)).status_code == 200
        assert (await admin.post(f"{path}/publish", json={})).status_code == 200


async def test_a_draft_keeps_nothing_and_does_not_go_live_without_it(admin: As) -> None:
    kept = await secret(admin)
    workflow_id = await draft(admin, with_secret("crm.key"))
    assert (await admin.delete(f"/secrets/{kept['secretId']}")).json()["deleted"] is True
    refused = await admin.post(f"/workflows/{workflow_id}/publish", json={})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_graph")
    assert refused.json()["details"] == [
        {"path": f"steps[{at}].config.secretId", "issue": "names no secret"} for at in (1, 2)
    ]


@pytest.mark.parametrize("named", [f"conn_{MISSING}", "nonsense"])
async def test_nor_without_a_connection(admin: As, named: str) -> None:
    workflow_id = await draft(admin, with_connection(named))
    refused = await admin.post(f"/workflows/{workflow_id}/publish", json={})
    assert [each["issue"] for each in refused.json()["details"]] == ["names no connection"] * 2


async def test_an_older_version_goes_live_again_with_what_it_names(admin: As) -> None:
    kept = await secret(admin)
    workflow_id = await published(admin, with_secret(kept["secretId"]))
    await end(admin, workflow_id, "next_version")
    assert (await admin.post(f"/workflows/{workflow_id}/versions/1/publish", json={})).status_code == 200
    await ensure_kept(admin, f"/secrets/{kept['secretId']}", workflow_id)


async def test_a_connection_keeps_the_secrets_of_its_credential(admin: As) -> None:
    kept = await secret(admin)
    body = {"name": "CRM", "integration": "http", "authType": "api_key", "config": {"baseUrl": URL}}
    made = (await admin.post("/connections", json={**body, "credential": {"apiKey": "{{secrets.crm.key}}"}})).json()
    refused = await admin.delete(f"/secrets/{kept['secretId']}")
    assert refused.json()["detail"] == f"The secret crm.key is in use by connection {made['connectionId']}."
    assert (await admin.get("/connections")).json()["items"][0]["usedBy"] == []
