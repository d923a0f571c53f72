"""What a JSON Schema tells of a value: the kind of each part, and which members there are.

Only what is certain is told: a schema that can't be followed (patterns, references outside of itself) leaves the part
unknown. A number is read as its schema says: `number` gives a double, `integer` an int.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from provenance.expressions.types import checked_text, typed

_OPTIONS_AT_MOST: Final = 16
_REFERENCES_AT_MOST: Final = 16
_KINDS: Final = {
    frozenset({"integer"}): "int",
    frozenset({"number"}): "double",
    frozenset({"integer", "number"}): "double",
    frozenset({"string"}): "string",
    frozenset({"boolean"}): "bool",
    frozenset({"array"}): "list",
    frozenset({"object"}): "map",
}
_TYPES: Final = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}

_Option = list[Mapping[str, Any]]
"""Schemas that hold together."""


class _Unfollowed(Exception):
    """A schema that can't be followed."""


class Shape:
    """What is known of a value. Immutable; equal to another of the same schema."""

    __slots__ = ("_items", "_members", "_options", "_root", "_schema", "_types", "text")

    def __init__(self, schema: Any, root: Any = None) -> None:
        """Take a JSON Schema 2020-12, and what its references point into when it is part of another."""
        self._root = schema if root is None else root
        self._schema = schema
        self.text = json.dumps(schema, sort_keys=True, separators=(",", ":")) if root is None else ""
        try:
            self._options: list[_Option] = list(_options(schema, self._root, 0))
        except _Unfollowed:
            self._options = [[]]
        self._types = _types(self._options)
        self._members: dict[str, Shape | None] = {}
        self._items: Shape | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shape) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Shape({self.text})"

    @property
    def schema(self) -> Any:
        """The schema, for use in another; one that tells nothing when it refers to parts of its own root."""
        return {} if not self.text and '"$ref"' in json.dumps(self._schema) else self._schema

    @property
    def kind(self) -> str:
        """The kind of every value of it, as expressions name kinds; ``dyn`` when there are several."""
        return "dyn" if self._types is None else _KINDS.get(frozenset(self._types), "dyn")

    @property
    def names(self) -> list[str]:
        """The members that are declared."""
        return sorted({name for option in self._options for each in option for name in each.get("properties", {})})

    def member(self, name: str) -> "Shape | None":
        """Return what is known of a member; None when the schema has no place for it."""
        if name not in self._members:
            found = [each for option in self._options for each in [_member(option, name)] if each is not None]
            self._members[name] = Shape({"anyOf": found}, self._root) if found else None
        return self._members[name]

    def item(self) -> "Shape":
        """Return what is known of an item."""
        if self._items is None:
            found = [_item(option) for option in self._options]
            self._items = Shape({"anyOf": found}, self._root)
        return self._items

    def typed(self, value: Any) -> Any:
        """Return a JSON value with its numbers as the schema says; others as `types.typed` reads them."""
        if self.text and '"number"' not in self.text:
            return typed(value)
        return self._read(value)

    def _read(self, value: Any) -> Any:
        kind = type(value)
        if kind is int or kind is float:
            return self._number(value)
        if kind is dict:
            return {checked_text(name): self._below(name, member) for name, member in value.items()}
        if kind is list or kind is tuple:
            item = self.item()
            return [item._read(each) for each in value]
        return typed(value)

    def _below(self, name: str, value: Any) -> Any:
        if not any("properties" in each or "additionalProperties" in each for o in self._options for each in o):
            return typed(value)
        found = self.member(name)
        return typed(value) if found is None else found._read(value)

    def _number(self, value: float) -> float:
        settled: float = typed(value)
        if self._types is None or "number" not in self._types:
            return settled
        return settled if "integer" in self._types and isinstance(settled, int) else float(value)


def _options(schema: Any, root: Any, depth: int) -> Iterator[_Option]:
    """The alternatives of a schema, each as schemas that hold together. Raises _Unfollowed."""
    if not isinstance(schema, Mapping):
        yield []
        return
    if depth > _REFERENCES_AT_MOST or "patternProperties" in schema or "$dynamicRef" in schema:
        raise _Unfollowed
    found: list[_Option] = [[schema]]
    together = [*schema.get("allOf", []), *([_pointed(schema["$ref"], root)] if "$ref" in schema else [])]
    for each in together:
        found = [one + other for other in _options(each, root, depth + 1) for one in found]
    for word in ("anyOf", "oneOf"):
        if word in schema:
            either = [option for each in schema[word] for option in _options(each, root, depth + 1)]
            found = [one + other for other in either for one in found]
    if len(found) > _OPTIONS_AT_MOST:
        raise _Unfollowed
    yield from found


def _pointed(reference: Any, root: Any) -> Any:
    """What a reference inside the schema points at. Raises _Unfollowed."""
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        raise _Unfollowed
    found = root
    for part in reference.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, Mapping) or name not in found:
            raise _Unfollowed
        found = found[name]
    return found


def _types(options: list[_Option]) -> set[str] | None:
    """The JSON types that values may have; None when any."""
    found: set[str] = set()
    for option in options:
        types = None
        for told in (told for each in option if (told := _told(each)) is not None):
            types = told if types is None else _both(types, told)
        if types is None:
            return None
        found |= types
    return found


def _told(schema: Mapping[str, Any]) -> set[str] | None:
    if "type" in schema:
        told = schema["type"]
        return {told} if isinstance(told, str) else set(told)
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if values is None:
        return None
    return {_TYPES.get(type(value), "null") for value in values}


def _both(one: set[str], other: set[str]) -> set[str]:
    wide = {"number", "integer"}
    both = one & other
    if not both and one & wide and other & wide:
        return {"integer"}
    return both


def _member(option: _Option, name: str) -> Any:
    """The schema of a member in one alternative; True when it may be anything, None when there is no place for it."""
    found = [each["properties"][name] for each in option if name in each.get("properties", {})]
    if found:
        return None if False in found else {"allOf": found}
    others = [
        each[word] for each in option for word in ("additionalProperties", "unevaluatedProperties") if word in each
    ]
    if False in others:
        return None
    if others:
        return {"allOf": others}
    return None if any(each.get("properties") for each in option) else True


def _item(option: _Option) -> Any:
    if any("prefixItems" in each for each in option):
        return True
    return {"allOf": [each["items"] for each in option if "items" in each]}
