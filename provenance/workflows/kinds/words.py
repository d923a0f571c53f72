"""Pieces of configuration schemas that several kinds use."""

from typing import Any, Final

from provenance.workflows.kinds.kind import READS, Reading

Json = dict[str, Any]

ANY_MAPPING: Final[Json] = {READS: Reading.MAPPING, "description": "JSON; texts may hold {{ expressions }}."}
TEMPLATE: Final[Json] = {"type": "string", READS: Reading.MAPPING, "maxLength": 65_536}
CONDITION: Final[Json] = {"type": "string", READS: Reading.CONDITION, "minLength": 1, "maxLength": 4096}
SCHEMA: Final[Json] = {"type": ["object", "boolean"], READS: Reading.SCHEMA, "description": "A JSON Schema 2020-12."}
RISK: Final[Json] = {"enum": ["low", "medium", "high", "critical"]}
NAME: Final[Json] = {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$"}
ID: Final[Json] = {"type": "string", "minLength": 1, "maxLength": 256}
SECONDS: Final[Json] = {
    "anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": r"\{\{"}],
    READS: Reading.MAPPING,
}


def config(properties: Json, *, required: tuple[str, ...] = ()) -> Json:
    """A closed object schema of these members."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def schema_default(member: str, default: Any, schema: Json) -> Json:
    """The schema of one member with its default noted."""
    return {member: schema | {"default": default}}
