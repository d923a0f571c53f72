"""What a definition tells of the values its expressions read: input, constants, outputs, payloads, items."""

from collections.abc import Mapping
from typing import Any, Final

from provenance.expressions import Expression, Shape
from provenance.workflows.configs import faults_of_schema
from provenance.workflows.kinds import Kinds, StepKind
from provenance.workflows.mapping import Exactly, ListOf, Literal, MapOf, Node

Schema = Mapping[str, Any] | bool

_SCHEMA_OF_KIND: Final[dict[str, Schema]] = {
    "int": {"type": "integer"},
    "uint": {"type": "integer"},
    "double": {"type": "number"},
    "bool": {"type": "boolean"},
    "list": {"type": "array"},
    "map": {"type": "object"},
    **{kind: {"type": "string"} for kind in ("string", "bytes", "timestamp", "duration")},
}
"""A result leaves an expression as JSON: moments, lengths of time and bytes as texts."""


def shape_of(schema: Any) -> Shape | None:
    """Return the shape of a schema; None when it is missing or no JSON Schema."""
    if not isinstance(schema, Mapping | bool) or next(iter(faults_of_schema(schema, "")), None) is not None:
        return None
    return Shape(schema)


def input_schema(document: Mapping[str, Any], triggers: list[Mapping[str, Any]]) -> Schema | None:
    """Return the schema of what any trigger hands over; None when one of them takes anything."""
    found: list[Any] = []
    for config in triggers or [{}]:
        schema = config.get("inputSchema", document.get("inputSchema"))
        if schema is None:
            return None
        if schema not in found:
            found.append(schema)
    return found[0] if len(found) == 1 else {"anyOf": found}


def schema_of_value(value: Any) -> Schema:
    """Return the schema of a constant."""
    if isinstance(value, Mapping):
        return _object({name: schema_of_value(member) for name, member in value.items()})
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int | float):
        return {"type": "integer" if float(value).is_integer() else "number"}
    if isinstance(value, list):
        return {"type": "array"}
    return {"type": "string"} if isinstance(value, str) else {}


def _object(members: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "properties": dict(members), "required": list(members), "additionalProperties": False}


def schema_of_mapping(node: Node) -> Schema:
    """Return the schema of what a mapping gives, as far as it is known."""
    if isinstance(node, Literal):
        return schema_of_value(node.value)
    if isinstance(node, MapOf):
        return _object({name: schema_of_mapping(member) for name, member in node.members})
    if isinstance(node, ListOf):
        return {"type": "array"}
    return _schema_of_expression(node.expression) if isinstance(node, Exactly) else {"type": "string"}


def _schema_of_expression(expression: Expression) -> Schema:
    result = expression.study.result
    if result.shape is not None and result.kind != "optional":
        schema: Schema = result.shape.schema
        return schema
    return _SCHEMA_OF_KIND.get(result.kind, {})


def output_schema(kind: StepKind, document: Mapping[str, Any], config: Mapping[str, Any]) -> Schema | None:
    """Return the schema of a step's output; None when nothing is known."""
    found = kind.output_schema(config)
    if "forEach" not in document:
        return found
    loops = document["forEach"]
    collects = isinstance(loops, Mapping) and loops.get("onItemError") == "collect"
    return {"type": "array", "items": {} if found is None or collects else found}


def triggers_of(steps: list[Mapping[str, Any]], kinds: Kinds) -> list[Mapping[str, Any]]:
    """Return the configurations of the triggers."""
    found = [step.get("config", {}) for step in steps if step["kind"] in kinds and kinds[step["kind"]].is_trigger]
    return [config for config in found if isinstance(config, Mapping)]
