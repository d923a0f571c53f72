"""Templates: each compiles, is listed without its definition and read with it."""

import httpx
import pytest

from provenance.workflows.compiling import check
from provenance.workflows.templates.catalogue import templates


@pytest.mark.parametrize("template", templates(), ids=lambda template: template.template_id)
def test_each_can_be_published_as_it_is(template: object) -> None:
    found = check(template.definition)  # type: ignore[attr-defined]
    assert (found.problems, found.warnings) == ([], [])


class TestRoutes:
    async def test_lists_and_reads(self, client: httpx.AsyncClient) -> None:
        page = (await client.get("/templates", params={"limit": 2})).json()
        assert [each["name"] for each in page["items"]] == ["Approval demo", "Employee onboarding tasks"]
        assert "definition" not in page["items"][0]
        rest = (await client.get("/templates", params={"cursor": page["nextCursor"]})).json()
        assert (len(rest["items"]), rest["nextCursor"]) == (len(templates()) - 2, None)
        one = (await client.get(f"/templates/{page['items'][0]['templateId']}")).json()
        assert one["definition"]["vars"] == {"greeting": "Dear"}
        assert one["stepKinds"] == ["trigger", "logic", "approval", "storage"]

    async def test_is_narrowed(self, client: httpx.AsyncClient) -> None:
        items = (await client.get("/templates", params={"category": "operations", "q": "INCIDENT"})).json()["items"]
        assert [each["templateId"] for each in items] == ["tpl_incident_routing"]

    async def test_one_that_is_not_there(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/templates/tpl_none")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_template")


class TestDefinitionSchema:
    async def test_is_public_and_describes_the_templates(self, client: httpx.AsyncClient) -> None:
        from provenance.core.json_schemas import JsonSchema

        async with httpx.AsyncClient(base_url=client.base_url, verify=False) as nobody:
            schema = (await nobody.get("/docs/workflow-definition.schema.json")).json()
        compiled = JsonSchema(schema)
        for template in templates():
            assert compiled.faults(template.definition) == []
        assert compiled.faults({"schemaVersion": 1, "steps": [{"key": "a", "kind": "wait", "config": {"no": 1}}]})
