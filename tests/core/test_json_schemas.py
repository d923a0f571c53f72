from typing import Any

import pytest

from provenance.core.json_schemas import BadSchema, JsonSchema, schema_of


class TestJsonSchema:
    def test_faults_stand_at_their_place(self) -> None:
        schema = JsonSchema({"properties": {"a": {"items": {"type": "integer"}}}, "required": ["b"]})
        assert {fault["path"] for fault in schema.faults({"a": [1, "x"]})} == {"a[1]", "$"}
        assert [fault["path"] for fault in schema.faults({"a": ["x"], "b": 1}, "steps[0].config")] == [
            "steps[0].config.a[0]"
        ]
        assert schema.faults({"b": 1}) == []

    @pytest.mark.parametrize(
        "schema",
        [
            {"type": "nope"},
            {"$ref": "http://127.0.0.1:1/schema"},
            {"$ref": "file:///etc/passwd"},
            {"pattern": "(?=a)b"},
            {"pattern": "("},
            {"pattern": "((((a{1,100}){1,100}){1,100}){1,100})"},
            {"description": "x" * 300_000},
        ],
    )
    def test_what_is_no_schema_of_ours(self, schema: dict[str, Any]) -> None:
        with pytest.raises(BadSchema):
            JsonSchema(schema)

    def test_is_kept(self) -> None:
        assert schema_of({"type": "object"}) is schema_of({"type": "object"})
