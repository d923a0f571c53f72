"""Compiling a step's configuration: its schema tells which texts are mappings, conditions and schemas."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from provenance.core.json_schemas import BadSchema, schema_of
from provenance.expressions import Expression, InvalidExpression
from provenance.workflows.kinds import READS, Reading
from provenance.workflows.mapping import ListOf, Literal, MapOf, Node, compile_mapping
from provenance.workflows.problems import Problem, of_expression

Compile = Callable[..., Expression]
"""Compiles a source over the variables of its place; ``condition=True`` for one that gives true or false."""


class Configured:
    """A configuration being compiled: its mapping, its conditions by path, and what is wrong with it."""

    def __init__(self, compile_expression: Compile, at: str) -> None:
        """Take how an expression is compiled, and where the configuration stands."""
        self._compile = compile_expression
        self._at = at
        self.conditions: dict[str, Expression] = {}
        self.problems: list[Problem] = []

    def mapping(self, value: Any, schema: Any, path: str = "") -> Node:
        """Compile a value as its schema says; what its schema refuses is passed over."""
        reading = schema.get(READS) if isinstance(schema, Mapping) else None
        if reading == Reading.MAPPING:
            return self._mapping(value, path)
        if reading == Reading.CONDITION:
            self._condition(value, path)
        elif reading == Reading.SCHEMA and isinstance(value, Mapping | bool):
            self.problems += faults_of_schema(value, self._place(path))
        elif isinstance(value, dict):
            return _object({name: self.mapping(value[name], below(schema, name), f"{path}.{name}") for name in value})
        elif isinstance(value, list):
            items = below(schema, None)
            return _list([self.mapping(item, items, f"{path}[{n}]") for n, item in enumerate(value)])
        return Literal(value)

    def _place(self, path: str) -> str:
        return self._at + path

    def _mapping(self, value: Any, path: str) -> Node:
        node, wrong = compile_mapping(value, self._compile, path)
        self.problems += [of_expression(self._place(each.path), each.error) for each in wrong]
        return node

    def _condition(self, value: Any, path: str) -> None:
        if not isinstance(value, str):
            return
        try:
            self.conditions[path.removeprefix(".")] = self._compile(value, condition=True)
        except InvalidExpression as error:
            self.problems.append(of_expression(self._place(path), error))


def _object(members: dict[str, Node]) -> Node:
    if all(isinstance(each, Literal) for each in members.values()):
        return Literal({name: each.source() for name, each in members.items()})
    return MapOf(tuple(members.items()))


def _list(items: list[Node]) -> Node:
    if all(isinstance(each, Literal) for each in items):
        return Literal([each.source() for each in items])
    return ListOf(tuple(items))


def below(schema: Any, name: str | None) -> Any:
    """Return the schema of a member, or of the items of a list for None; nothing where none is given."""
    if not isinstance(schema, Mapping):
        return {}
    if name is None:
        return schema.get("items", {})
    return schema.get("properties", {}).get(name, schema.get("additionalProperties", {}))


def faults_of_schema(schema: Any, at: str) -> Iterator[Problem]:
    """Tell what makes a JSON Schema none."""
    try:
        schema_of(schema)
    except BadSchema as error:
        yield Problem(f"{at}.{error.path}" if error.path else at, "bad_schema", error.issue)
