"""Fields on the wire."""

from typing import Any

from pydantic import BaseModel


class FieldType(BaseModel):
    """How often a path held values of one JSON type."""

    type: str
    count: int


_TYPE = {
    "type": "object",
    "required": ["type", "count"],
    "properties": {
        "type": {"enum": ["null", "boolean", "number", "string", "object", "array"]},
        "count": {"type": "integer"},
    },
}
FOUND_FIELD: dict[str, Any] = {
    "type": "object",
    "description": "One JSON path of the interactions of one resource type and action.",
    "required": ["resourceType", "action", "path", "types", "count"],
    "properties": {
        "resourceType": {"type": "string"},
        "action": {"type": "string"},
        "path": {"type": "string", "examples": ["address.city", "items[].price"]},
        "types": {"type": "array", "items": _TYPE, "description": "Most frequent first."},
        "count": {"type": "integer", "description": "Values seen at this path."},
    },
}
"""A field in the OpenAPI document."""
