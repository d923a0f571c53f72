"""What a JSON Schema tells: kinds, members, items, and how numbers are read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.expressions import Shape
from provenance.expressions.types import typed
from tests.expressions.test_expression import json_values

ORDER = Shape(
    {
        "type": "object",
        "properties": {
            "amount": {"type": "number"},
            "count": {"type": "integer"},
            "customer": {"$ref": "#/$defs/person"},
            "lines": {"type": "array", "items": {"properties": {"price": {"type": "number"}, "sku": {"const": "A"}}}},
            "free": {},
        },
        "$defs": {
            "person": {"type": "object", "properties": {"name": {"type": "string"}, "boss": {"$ref": "#/$defs/person"}}}
        },
    }
)


class TestKind:
    @pytest.mark.parametrize(
        ("schema", "kind"),
        [
            ({"type": "integer"}, "int"),
            ({"type": "number"}, "double"),
            ({"type": ["number", "integer"]}, "double"),
            ({"type": ["string", "null"]}, "dyn"),
            ({"enum": ["a", "b"]}, "string"),
            ({"enum": ["a", 1]}, "dyn"),
            ({"const": True}, "bool"),
            ({"allOf": [{"type": ["string", "number"]}, {"type": "integer"}]}, "int"),
            ({"anyOf": [{"type": "string"}, {"const": "x"}]}, "string"),
            ({"oneOf": [{"type": "string"}, {"type": "array"}]}, "dyn"),
            ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "array"}}}, "list"),
            ({"$ref": "#"}, "dyn"),
            ({"$ref": "#/nowhere"}, "dyn"),
            ({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}, "dyn"),
            ({"patternProperties": {"a": {}}, "type": "object"}, "dyn"),
            (True, "dyn"),
            (False, "dyn"),
        ],
    )
    def test_examples(self, schema: Any, kind: str) -> None:
        assert Shape(schema).kind == kind


class TestMembers:
    def test_are_followed_through_references(self) -> None:
        person = ORDER.member("customer")
        assert person is not None
        assert (person.kind, person.names) == ("map", ["boss", "name"])
        boss = person.member("boss")
        assert boss is not None
        assert boss.member("name") == person.member("name")
        assert boss.member("title") is None

    def test_what_has_no_place(self) -> None:
        assert ORDER.member("amout") is None
        assert Shape({"additionalProperties": False}).member("a") is None
        assert Shape({"properties": {"a": False}}).member("a") is None

    def test_what_is_open(self) -> None:
        schemas: list[Any] = [
            {},
            {"type": "object"},
            {"properties": {"b": {}}, "additionalProperties": True},
            {"patternProperties": {}},
        ]
        for schema in schemas:
            found = Shape(schema).member("a")
            assert found is not None
            assert found.kind == "dyn"
        typed_rest = Shape({"properties": {"b": {}}, "additionalProperties": {"type": "string"}}).member("a")
        assert typed_rest is not None
        assert typed_rest.kind == "string"

    def test_any_of_the_alternatives_may_have_it(self) -> None:
        shape = Shape(
            {"anyOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"b": {"type": "integer"}}}]}
        )
        assert [each is not None and each.kind for each in map(shape.member, ("a", "b", "c"))] == [
            "string",
            "int",
            False,
        ]

    def test_items(self) -> None:
        lines = ORDER.member("lines")
        assert lines is not None
        price = lines.item().member("price")
        assert price is not None
        assert price.kind == "double"
        assert Shape({"prefixItems": [{"type": "string"}]}).item().kind == "dyn"


class TestTyped:
    def test_a_number_is_as_its_schema_says(self) -> None:
        given = {"amount": 750, "count": 3.0, "lines": [{"price": 2, "other": 2.0}], "free": 1.0, "unknown": [7.0]}
        found = ORDER.typed(given)
        assert repr(found) == repr(
            {"amount": 750.0, "count": 3, "lines": [{"price": 2.0, "other": 2}], "free": 1, "unknown": [7]}
        )

    @given(json_values)
    def test_without_a_schema_it_is_as_everywhere(self, value: Any) -> None:
        assert repr(Shape({}).typed(value)) == repr(typed(value))

    @given(json_values)
    def test_a_schema_changes_no_value(self, value: Any) -> None:
        for shape in (ORDER, Shape({"type": "number"}), Shape({"items": {"type": "number"}})):
            assert shape.typed(value) == value

    @given(
        st.recursive(
            st.booleans(), lambda inner: st.dictionaries(st.sampled_from(["type", "properties", "allOf"]), inner)
        )
    )
    def test_equal_schemas_are_equal_shapes(self, schema: Any) -> None:
        if isinstance(schema, bool):
            assert Shape(schema) == Shape(schema)
            assert hash(Shape(schema)) == hash(Shape(schema))
