"""What a trace's answers look like, for the OpenAPI document: their bodies are written as bytes."""

from typing import Any

_TIME = {"type": "string", "format": "date-time"}
_ROWS = {"type": "array", "items": {"$ref": "#/components/schemas/Interaction"}}
_NODES = {"type": "array", "items": {"type": "object"}, "description": "Rows with children, by parentSpanId."}
_GROUP = {
    "type": "object",
    "properties": {"from": _TIME, "to": _TIME, "parallel": {"type": "boolean"}, "interactions": _ROWS},
    "required": ["from", "to", "parallel", "interactions"],
}
_ENDS = {
    "unitsTruncated": {"type": "boolean", "description": "Older units of work follow with the cursor."},
    "nextCursor": {"type": ["string", "null"]},
}


_COUNT = {"type": "integer"}
_SUMMARY = {
    "type": "object",
    "properties": {
        "totalInteractions": _COUNT,
        "totalCapped": {"type": "boolean", "description": "Only the newest rows were summed up."},
        "unitsTruncated": _ENDS["unitsTruncated"],
        "uniqueResources": _COUNT,
        "durationSeconds": {"type": "number", "description": "Between from and to."},
        "from": _TIME,
        "to": _TIME,
        "origins": {"type": "array", "items": {"type": "object"}, "description": "Badges with a count."},
        "users": {"type": "array", "items": {"type": "string"}, "description": "The 1,000 most active."},
        "uniqueUsers": _COUNT,
        "outcomes": {"type": "object", "additionalProperties": _COUNT},
    },
}


def _answer(description: str, **members: Any) -> dict[int | str, dict[str, Any]]:
    known = {"id": {"type": "string"}, "kind": {"enum": ["resource", "uow"]}, **members, **_ENDS}
    schema = {"type": "object", "properties": known, "required": list(known)}
    return {200: {"description": description, "content": {"application/json": {"schema": schema}}}}


TRACE = _answer(
    "The trace: its interactions oldest first, and the same as a tree.",
    summary=_SUMMARY,
    interactions=_ROWS,
    tree=_NODES,
)
ROWS = _answer(
    "The trace's interactions, oldest first.",
    data=_ROWS,
    pagination={"$ref": "#/components/schemas/Pagination"},
)
GROUPS = _answer("Groups, oldest first.", groups={"type": "array", "items": _GROUP})
SUMMARY: dict[int | str, dict[str, Any]] = {
    200: {"description": "What the trace amounts to.", "content": {"application/json": {"schema": _SUMMARY}}}
}
