"""A live workflow keeps its datastores."""

import pytest

from provenance.core.actor import Role
from tests.datastores.conftest import Api, Place
from tests.identity.people import as_person
from tests.runs.published import definition


@pytest.fixture
def place(places: dict[str, Place]) -> Place:
    return places["folder"]


@pytest.mark.parametrize("ends", ["unpublish", "delete"])
@pytest.mark.parametrize("by", ["id", "name"])
async def test_until_it_is_live_no_more(api: Api, by: str, ends: str) -> None:
    named = api.id if by == "id" else "reports"
    config = {"op": "write", "datastoreId": named, "key": "k", "value": 1}
    body = {"name": "w", "definition": definition({"key": "keep", "kind": "storage", "config": config})}
    made = await api.client.post("/workflows", json=body)
    assert made.status_code == 201, made.text
    workflow = f"/workflows/{made.json()['workflowId']}"
    published = await api.client.post(f"{workflow}/publish", json={"environment": "development"})
    assert published.status_code == 200, published.text
    async with await as_person(api.place.app, api.workspace, Role.ADMIN) as admin:
        refused = await admin.delete(api.url)
        assert (refused.status_code, refused.json()["code"]) == (409, "in_use")
        ended = await (admin.delete(workflow) if ends == "delete" else admin.post(f"{workflow}/unpublish", json={}))
        assert ended.status_code == 200, ended.text
        assert (await admin.delete(api.url)).json() == {"deleted": True}
