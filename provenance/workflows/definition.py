"""The definition of a workflow as a JSON Schema, made of the kinds there are (spec/automation.md, 6.3)."""

from functools import lru_cache
from typing import Any, Final

from provenance.core.json_schemas import JsonSchema
from provenance.workflows.kinds import KINDS, Kinds, words

MAX_STEPS: Final = 200
MAX_EDGES: Final = 400
MAX_BYTES: Final = 1 << 20
BODY_LIMIT: Final = 2 << 20
"""Of a request with a definition, which may be written with blanks, or as YAML inside JSON."""
SCHEMA_ID: Final = "/docs/workflow-definition.schema.json"

NAME: Final = words.NAME
_ON: Final = r"^(success|error|rejected|always|case:[a-z][a-z0-9_]{0,63})$"

RETRY: Final = words.config(
    {
        "maxAttempts": {"type": "integer", "minimum": 1, "maximum": 6},
        "backoff": {"enum": ["fixed", "exponential"]},
        "initialSeconds": {"type": "number", "exclusiveMinimum": 0, "maximum": 86_400},
        "maxSeconds": {"type": "number", "exclusiveMinimum": 0, "maximum": 86_400},
        "jitter": {"type": "boolean"},
        "retryOn": {"type": "array", "items": {"type": "string", "maxLength": 64}, "maxItems": 20},
    }
)
FOR_EACH: Final = words.config(
    {
        "items": words.ANY_MAPPING,
        "as": NAME | {"default": "item"},
        "concurrency": {"type": "integer", "minimum": 1, "maximum": 16, "default": 1},
        "maxItems": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 1000},
        "onItemError": {"enum": ["fail", "collect"], "default": "fail"},
    },
    required=("items",),
)
EDGE: Final = words.config(
    {"from": NAME, "to": NAME, "on": {"type": "string", "pattern": _ON, "default": "success"}, "when": words.CONDITION},
    required=("from", "to"),
)


def _step(kinds: Kinds) -> dict[str, Any]:
    position = words.config({"x": {"type": "number"}, "y": {"type": "number"}})
    return words.config(
        {
            "key": NAME,
            "kind": {"enum": list(kinds)},
            "name": {"type": "string", "maxLength": 200},
            "config": {"type": "object"},
            "input": words.ANY_MAPPING,
            "timeoutSeconds": {"type": "number", "exclusiveMinimum": 0, "maximum": 2_592_000},
            "retry": RETRY,
            "onError": {"enum": ["fail", "continue"], "default": "fail"},
            "onUnknown": {"enum": ["retry", "fail", "ask"]},
            "forEach": FOR_EACH,
            "position": position,
        },
        required=("key", "kind"),
    )


def skeleton(kinds: Kinds) -> dict[str, Any]:
    """Return the schema of a definition without the configurations, which are checked one by one."""
    top = words.config(
        {
            "schemaVersion": {"const": 1},
            "inputSchema": words.SCHEMA,
            "vars": {"type": "object", "description": "Constants, read as vars.<name>."},
            "steps": {"type": "array", "items": _step(kinds), "maxItems": MAX_STEPS},
            "edges": {"type": "array", "items": EDGE, "maxItems": MAX_EDGES},
            "output": words.ANY_MAPPING,
        },
        required=("schemaVersion", "steps"),
    )
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **top}


def definition_schema(kinds: Kinds = KINDS) -> dict[str, Any]:
    """Return the whole schema of a definition, as it is published for editors."""
    schema = skeleton(kinds)
    step = schema["properties"]["steps"]["items"]
    step["allOf"] = [
        {
            "if": {"properties": {"kind": {"const": name}}, "required": ["kind"]},
            "then": {"properties": {"config": {**kind.config_schema, "description": kind.summary}}},
        }
        for name, kind in kinds.items()
    ]
    return schema


class Shapes:
    """The compiled schemas of a set of kinds."""

    def __init__(self, kinds: Kinds) -> None:
        """Compile them."""
        self.definition = JsonSchema(skeleton(kinds))
        self.configs = {name: JsonSchema(dict(kind.config_schema)) for name, kind in kinds.items()}


class _ByIdentity:
    """A table of kinds as the key of a cache."""

    def __init__(self, kinds: Kinds) -> None:
        self.kinds = kinds

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and self.kinds is other.kinds

    def __hash__(self) -> int:
        return id(self.kinds)


def shapes_of(kinds: Kinds) -> Shapes:
    """Return the compiled schemas of a set of kinds, kept from an earlier call where possible."""
    return _shapes(_ByIdentity(kinds))


@lru_cache(maxsize=8)
def _shapes(held: _ByIdentity) -> Shapes:
    return Shapes(held.kinds)
