"""Schemas of payloads: which holds, what it refuses, how it may change."""

from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.bus.schemas.compatibility import narrower
from provenance.core.json_schemas import JsonSchema
from tests.bus.conftest import Thing, publish


async def make(client: httpx.AsyncClient, name: str, pattern: str, schema: Any, **more: Any) -> Thing:
    body = {"name": name, "topicPattern": pattern, "schema": schema, **more}
    answer = await client.post("/bus/schemas", json=body)
    assert answer.status_code == 201, answer.text
    made: Thing = answer.json()
    return made


ORDER = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}


class TestWhichHolds:
    async def test_the_most_specific_one_refuses_or_warns(self, client: httpx.AsyncClient) -> None:
        wide = await make(client, "wide", "orders/#", {"type": "object"}, mode="warn")
        await make(client, "narrow", "orders/created", ORDER)
        answer = await client.post("/bus/messages", json={"topic": "orders/created", "payload": {"id": "x"}})
        assert (answer.status_code, answer.json()["code"]) == (400, "schema_validation")
        assert answer.json()["details"][0]["path"] == "payload.id"
        made = await publish(client, topic="orders/other", payload=5)
        detail = (await client.get(f"/bus/messages/{made['msgId']}")).json()
        assert (detail["schemaId"], detail["schemaVersion"]) == (wide["schemaId"], 1)
        asked = {"topic": "orders/created", "payload": {}, "schemaId": wide["schemaId"]}
        assert (await client.post("/bus/messages", json=asked)).status_code == 201
        batch = {"messages": [{"topic": "free", "payload": 1}, {"topic": "orders/created", "payload": {}}]}
        assert (await client.post("/bus/messages/batch", json=batch)).status_code == 400
        assert (await client.get("/bus/messages", params={"topic": "free"})).json()["items"] == []


class TestChanging:
    async def test_versions_and_compatibility(self, client: httpx.AsyncClient) -> None:
        made = await make(client, "s", "a", ORDER, compatibility="backward")
        path = f"/bus/schemas/{made['schemaId']}"
        stricter = {**ORDER, "required": ["id", "total"]}
        answer = await client.patch(path, json={"schema": stricter})
        assert (answer.status_code, answer.json()["code"]) == (409, "schema_incompatible")
        wider = {"type": "object", "properties": {"id": {"type": "number"}}}
        assert (await client.patch(path, json={"schema": wider})).json()["version"] == 2
        changed = await client.patch(path, json={"schema": stricter, "compatibility": "none"})
        assert changed.json()["version"] == 3
        same = (await client.patch(path, json={"name": "s"})).json()
        assert same["version"] == 3
        bad = await client.patch(path, json={"schema": {"type": "nothing"}})
        assert (bad.status_code, bad.json()["code"]) == (400, "bad_schema")

    async def test_the_seeds_forms_without_an_id(self, client: httpx.AsyncClient) -> None:
        made = await make(client, "s", "a", ORDER)
        assert (await client.get(f"/bus/schemas/{made['schemaId']}")).json() == made
        assert [each["name"] for each in (await client.get("/bus/schemas")).json()["items"]] == ["s"]
        by_body = await client.patch("/bus/schemas", json={"schemaId": made["schemaId"], "mode": "warn"})
        assert by_body.json()["mode"] == "warn"
        assert (await client.patch("/bus/schemas", json={"mode": "warn"})).json()["code"] == "schema_id_needed"
        gone = await client.delete("/bus/schemas", params={"schemaId": made["schemaId"]})
        assert (gone.status_code, gone.json()) == (200, {"deleted": True})
        assert (await client.get(f"/bus/schemas/{made['schemaId']}")).status_code == 404

    async def test_a_name_is_had_once(self, client: httpx.AsyncClient) -> None:
        await make(client, "s", "a", ORDER)
        answer = await client.post("/bus/schemas", json={"name": "s", "topicPattern": "b", "schema": {}})
        assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)
TYPES = st.sampled_from(["array", "boolean", "integer", "null", "number", "object", "string"])
LEAVES = st.fixed_dictionaries(
    {},
    optional={
        "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
        "enum": st.lists(VALUES, min_size=1, max_size=3, unique_by=repr),
        "minimum": st.integers(-2, 2),
        "maxLength": st.integers(0, 2),
    },
)
SCHEMAS = st.recursive(
    LEAVES | st.booleans(),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": st.just("object"),
            "properties": st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
            "required": st.lists(st.sampled_from("ab"), max_size=2, unique=True),
            "additionalProperties": inner,
            "items": inner,
        },
    ),
    max_leaves=5,
)


@settings(deadline=None, max_examples=100)
@given(before=SCHEMAS, after=SCHEMAS, values=st.lists(VALUES, min_size=5, max_size=20))
def test_what_passes_as_compatible_takes_everything_that_went_before(
    before: Any, after: Any, values: list[Any]
) -> None:
    if narrower(before, after) is None:
        old, new = JsonSchema(before), JsonSchema(after)
        assert [value for value in values if not old.faults(value) and new.faults(value)] == []


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [
        (ORDER, {**ORDER, "title": "x"}, None),
        (ORDER, {**ORDER, "required": []}, None),
        ({"enum": [1]}, {"enum": [1, 2]}, None),
        ({"enum": [1, 2]}, {"enum": [1]}, "schema.enum"),
        ({"type": "integer"}, {"type": "number"}, None),
        ({"type": "number"}, {"type": "integer"}, "schema.type"),
        ({"maxLength": 5}, {"maxLength": 4}, "schema.maxLength"),
        ({}, {"pattern": "a"}, "schema.pattern"),
        ({"pattern": "a"}, {}, None),
        (
            {"properties": {"a": {"type": "string"}}, "additionalProperties": False},
            {"properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "additionalProperties": False},
            None,
        ),
    ],
    ids=range(10),
)
def test_what_is_narrower(before: Any, after: Any, place: str | None) -> None:
    assert narrower(before, after) == place
