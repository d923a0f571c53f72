"""Datastores themselves: made, changed, deleted."""

from collections.abc import AsyncIterator

import httpx
import pytest

from provenance.core.actor import Role
from provenance.datastores import service
from provenance.datastores.service import Referrer
from tests.conftest import MakeTenant, Running, Tenant
from tests.datastores.conftest import Api, Place
from tests.identity.people import as_person


@pytest.fixture
def place(places: dict[str, Place]) -> Place:
    """What a datastore is does not depend on where bytes are."""
    return places["folder"]


@pytest.fixture
async def admin(app: Running, workspace: Tenant, api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with await as_person(app, api.workspace, Role.ADMIN) as found:
        yield found


class TestCreate:
    async def test_all_it_has(self, api: Api) -> None:
        body = {
            "description": "What months come to",
            "environment": "staging",
            "retentionDays": 30,
            "maxObjectBytes": 1000,
        }
        found = await api.create("more", **body, quotaBytes=5000)
        assert found["datastoreId"].startswith("ds_")
        assert {name: found[name] for name in body} == body
        assert (found["workspaceId"], found["objectCount"], found["totalBytes"]) == (api.workspace.id, 0, 0)
        assert (await api.client.get(api.url)).json() == found

    async def test_defaults(self, api: Api) -> None:
        found = await api.create("plain")
        assert (found["maxObjectBytes"], found["retentionDays"], found["quotaBytes"]) == (100 * 1024 * 1024, None, None)

    async def test_a_name_that_is_taken(self, api: Api) -> None:
        answer = await api.client.post("/datastores", json={"name": "reports"})
        assert (answer.status_code, answer.json()["code"]) == (409, "datastore_name_taken")

    async def test_what_is_none(self, api: Api) -> None:
        for body in ({}, {"name": ""}, {"name": "a\nb"}, {"name": "a", "retentionDays": 0}, {"name": "a", "more": 1}):
            assert (await api.client.post("/datastores", json=body)).status_code == 400


class TestList:
    async def test_newest_first_page_by_page(self, api: Api) -> None:
        for number in range(3):
            await api.create(f"n{number}")
        first = (await api.client.get("/datastores", params={"limit": 2})).json()
        rest = (await api.client.get("/datastores", params={"limit": 2, "cursor": first["nextCursor"]})).json()
        assert [each["name"] for each in first["items"] + rest["items"]] == ["n2", "n1", "n0", "reports"]
        assert rest["nextCursor"] is None


class TestUpdate:
    async def test_what_is_sent_changes(self, api: Api) -> None:
        changed = await api.client.patch(api.url, json={"name": "papers", "retentionDays": 7, "maxObjectBytes": 5})
        assert changed.status_code == 200
        again = (await api.client.patch(api.url, json={"retentionDays": None, "description": "d"})).json()
        assert (again["name"], again["retentionDays"], again["maxObjectBytes"]) == ("papers", None, 5)
        before = len(await api.events("DATASTORE"))
        assert (await api.client.patch(api.url, json={"name": "papers"})).json() == again
        assert len(await api.events("DATASTORE")) == before

    async def test_a_name_that_is_taken(self, api: Api) -> None:
        await api.create("other")
        answer = await api.client.patch(api.url, json={"name": "reports"})
        assert (answer.status_code, answer.json()["code"]) == (409, "datastore_name_taken")

    async def test_nothing_there(self, api: Api) -> None:
        for wrong in ("ds_none", "ds_01HX0000000000000000000000"):
            answer = await api.client.patch(f"/datastores/{wrong}", json={"description": "d"})
            assert (answer.status_code, answer.json()["code"]) == (404, "datastore_not_found")


class TestDelete:
    async def test_an_administrator_does(self, api: Api, admin: httpx.AsyncClient) -> None:
        assert (await api.client.delete(api.url)).status_code == 403
        assert (await admin.delete(api.url)).json() == {"deleted": True}
        assert (await admin.get(api.url)).status_code == 404

    async def test_one_with_objects_only_by_force(self, api: Api, admin: httpx.AsyncClient) -> None:
        await api.put("a", b"x")
        answer = await admin.delete(api.url)
        assert (answer.status_code, answer.json()["code"]) == (409, "datastore_not_empty")
        asked = await api.ask("late", b"x")
        assert (await admin.delete(api.url, params={"force": "true"})).json() == {"deleted": True}
        assert (await api.get("a")).status_code == 404
        assert (await api.send(asked, b"x")).status_code == 409
        assert not [each for each in api.place.blobs(api.workspace) if "late" in each]

    async def test_one_that_a_workflow_works_with(self, api: Api, admin: httpx.AsyncClient) -> None:
        db = api.place.ledger.db
        async with db.housekeeping(api.workspace_id) as tx:
            await service.refer(tx, [api.id], Referrer("workflow", "wf_1"))
        answer = await admin.delete(api.url, params={"force": "true"})
        assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
        async with db.housekeeping(api.workspace_id) as tx:
            await service.refer(tx, [], Referrer("workflow", "wf_1"))
        assert (await admin.delete(api.url)).status_code == 200


class TestAccess:
    async def test_scopes(self, api: Api, make_tenant: MakeTenant) -> None:
        reads = (await make_tenant(("data:read",), into=api.workspace.id)).key
        await api.put("it", b"x")
        with_it = {"x-api-key": reads}
        assert (await api.client.get(api.at("it"), headers=with_it)).status_code == 200
        assert (await api.client.get(api.at("it"), params={"download": "url"}, headers=with_it)).status_code == 200
        assert (await api.client.delete(api.at("it"), headers=with_it)).status_code == 403
        asked = {"key": "it", "contentType": "a/b", "sizeBytes": 1}
        assert (await api.client.post(f"{api.url}/upload-url", json=asked, headers=with_it)).status_code == 403
