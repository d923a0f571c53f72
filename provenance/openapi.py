"""The OpenAPI 3.1 document: what the framework knows, plus the hot dispatch's schemas and the one error shape."""

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from provenance.core.routing import access_of
from provenance.ledger.interactions.routes import schema_components

_TEXT = {"type": "string"}
_MAYBE_TEXT = {"type": ["string", "null"]}
_UUID = {"type": "string", "format": "uuid"}
_MAYBE_UUID = {"type": ["string", "null"], "format": "uuid"}
_TIME = {"type": "string", "format": "date-time"}

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "error", "details", "requestId"],
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "A stable word in snake case."},
        "detail": _TEXT,
        "error": {"type": "string", "description": "The same text as detail."},
        "details": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path", "issue"],
                "properties": {"path": _TEXT, "issue": _TEXT},
            },
        },
        "requestId": _TEXT,
    },
}

_WORD = {
    "type": "object",
    "description": "The first key is resourceTypeId, actionId or originId, by kind; id repeats it.",
    "required": ["id", "title", "mnemonic", "isSystem", "autoCreated", "createdDate", "modifiedDate"],
    "properties": {
        "resourceTypeId": _UUID,
        "actionId": _UUID,
        "originId": _UUID,
        "id": _UUID,
        "title": _TEXT,
        "mnemonic": _TEXT,
        "description": _MAYBE_TEXT,
        "icon": _MAYBE_TEXT,
        "fontColorHex": _MAYBE_TEXT,
        "bgColorHex": _MAYBE_TEXT,
        "isSystem": {"type": "boolean"},
        "autoCreated": {"type": "boolean"},
        "createdDate": _TIME,
        "modifiedDate": _TIME,
    },
}

_PAGINATION = {
    "type": "object",
    "required": ["page", "limit", "total", "totalPages", "hasNext", "hasPrev"],
    "properties": {
        **{name: {"type": "integer"} for name in ("page", "limit", "total", "totalPages")},
        **{name: {"type": "boolean"} for name in ("hasNext", "hasPrev", "totalCapped", "scanComplete")},
        "nextCursor": _MAYBE_TEXT,
    },
}

_BADGES = {
    f"{kind}{part}": _MAYBE_TEXT
    for kind in ("resourceType", "action", "origin")
    for part in ("Mnemonic", "Title", "Icon", "FontColorHex", "BgColorHex")
}

_INTERACTION = {
    "type": "object",
    "required": ["interactionId", "interactionNumber", "resourceTypeId", "actionId", "originId", "uowId"],
    "properties": {
        "interactionId": _UUID,
        "interactionNumber": {"type": "integer", "minimum": 1},
        "resourceId": _MAYBE_TEXT,
        "resourceTypeId": _UUID,
        "actionId": _UUID,
        "originId": _UUID,
        **_BADGES,
        "interaction": {"type": ["object", "null"]},
        "uowId": _UUID,
        "userId": _MAYBE_TEXT,
        "spanId": _MAYBE_UUID,
        "parentSpanId": _MAYBE_UUID,
        "externalReference": _MAYBE_TEXT,
        "externalResponse": {},
        "createdDate": _TIME,
        "occurredAt": {"type": "string", "description": "Nanoseconds since the epoch, as decimal text."},
        "recordedDate": _TIME,
        "sequenceIndex": {"type": ["integer", "null"]},
        "outcome": _MAYBE_TEXT,
        "onBehalfOf": {"type": ["array", "null"], "items": _TEXT},
        "relatedResources": {"type": ["array", "null"], "items": {"type": "object"}},
        "changes": {"type": ["array", "null"], "items": {"type": "object"}},
        "corrects": _MAYBE_UUID,
        "recordedBy": _MAYBE_TEXT,
        "platform": {"type": "boolean"},
        "links": {"type": ["array", "null"], "items": {"type": "object"}},
        "ip": _MAYBE_TEXT,
        "userAgent": _MAYBE_TEXT,
        "erased": {
            "type": "object",
            "description": "Only on a row whose content was destroyed; its other content reads null.",
            "required": ["at", "by", "reason", "certificate"],
            "properties": {"at": _TIME, "by": _TEXT, "reason": _TEXT, "certificate": _TEXT},
        },
        "proof": {
            "type": "object",
            "properties": {"leafIndex": {"type": "integer"}, "integrated": {"type": "boolean"}},
        },
    },
}

_ERRORS = {
    "400": "The request is malformed or not valid; details name the path.",
    "401": "No valid credential.",
    "403": "The credential lacks the scope or role.",
    "404": "No such thing in this workspace.",
    "409": "The state forbids it.",
    "413": "The body is over the limit.",
    "429": "Too many requests of this key or person; Retry-After tells when to try again.",
    "503": "The server can't take it now; Retry-After tells when to try again.",
}


def document(app: FastAPI) -> dict[str, Any]:
    """Build the document once per application."""
    if app.openapi_schema is None:
        app.openapi_schema = _build(app)
    return app.openapi_schema


def _build(app: FastAPI) -> dict[str, Any]:
    built = get_openapi(
        title="Provenance",
        version=app.version,
        description="Record, query and trace what software, people and AI agents do.",
        routes=app.routes,
    )
    components = built.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas |= schema_components()
    schemas |= {"Problem": _PROBLEM, "Word": _WORD, "Pagination": _PAGINATION, "Interaction": _INTERACTION}
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    components["securitySchemes"] = {
        "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "From POST /auth/login."},
        "queueToken": {"type": "http", "scheme": "bearer", "description": "From GET /platform/queue/config."},
        "signature": {
            "type": "apiKey",
            "in": "header",
            "name": "X-ProvenanceOne-Signature",
            "description": "HMAC-SHA256 of the raw body in hexadecimal; a webhook's preset may name other headers.",
        },
    }
    for route in declared_routes(app):
        if route.include_in_schema:
            for method in route.methods or ():
                _complete(built["paths"][route.path_format][method.lower()], route)
    return built


def declared_routes(app: FastAPI) -> list[APIRoute]:
    """Return every route that a feature declares."""
    routers: list[APIRouter] = app.state.routers
    return [route for router in routers for route in router.routes if isinstance(route, APIRoute)]


def _complete(operation: dict[str, Any], route: APIRoute) -> None:
    """Name the scope an operation needs, and its errors in the one shape."""
    access = access_of(route.dependant)
    responses = operation["responses"]
    if 422 not in route.responses:  # a witness answers so because its specification says it
        responses.pop("422", None)
    if access is not None:
        operation["security"] = [{"bearer": []}] if access.people_only else [{"apiKey": []}, {"bearer": []}]
        if not access.people_only:
            operation["x-scope"] = "any" if access.scope is None else access.scope.value
        operation["x-role"] = access.role.name.lower()
    guarded = access is not None or "security" in operation
    for status in (*(("401", "403", "429") if guarded else ()), "400", "404", "409", "413", "503"):
        if int(status) not in route.responses:
            responses[status] = _error(status)


def _error(status: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": _ERRORS[status], "content": {"application/problem+json": {"schema": schema}}}
