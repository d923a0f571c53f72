"""Routes that record: the declarations that the hot dispatch stands in for, and the refusal to delete."""

from typing import Any

import msgspec
from fastapi import APIRouter, Response

from provenance.core.door import Answer
from provenance.core.routing import Incoming, Route, Writer
from provenance.ledger.dependencies import RunningLedger
from provenance.ledger.interactions import batch, service
from provenance.ledger.interactions.errors import AppendOnly
from provenance.ledger.interactions.schemas import BatchAnswer, BatchEnvelope, InteractionCreate, PatchOperation, ref_to

router = APIRouter(route_class=Route, tags=["interactions"])


def body_of(schema: dict[str, Any], *, others: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the part of a route's OpenAPI entry that describes a body read without the framework."""
    content: dict[str, Any] = {"application/json": {"schema": schema}}
    content |= {kind: {"schema": {"type": "string"}} for kind in others}
    return {"requestBody": {"required": True, "content": content}}


def answer_of(schema: str, description: str) -> dict[str, Any]:
    """Return an OpenAPI answer that refers to a schema of ours."""
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


SCHEMAS: tuple[type, ...] = (InteractionCreate, BatchEnvelope, BatchAnswer, PatchOperation)
"""The msgspec types that the OpenAPI document describes beside the framework's own models."""

_HEADERS = [
    ("x-uowid", "Unit of work (UUID); made when absent."),
    ("x-userid", "The user who acts; wins over the body."),
    ("x-interaction-timestamp", "When it happened, ISO 8601 with Z or an offset; now when absent."),
    ("x-span-id", "Span (UUID); also the dedupe key when no Idempotency-Key is sent."),
    ("x-parent-span-id", "Parent span (UUID); may come later or never."),
    ("Idempotency-Key", "The same key and content again answers 200 with the first row, without time limit."),
    ("traceparent", "W3C trace context; its trace id is the unit of work when x-uowid is absent."),
]
_PARAMETERS = {
    "parameters": [
        {"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}
        for name, text in _HEADERS
    ]
}


def to_response(answer: Answer) -> Response:
    """Turn a handler's answer into the framework's."""
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(answer.body, answer.status, headers, media_type="application/json")


@router.post(
    "/api/interactions",
    operation_id="interactions.create",
    status_code=201,
    response_class=Response,
    responses={
        201: answer_of("Interaction", "Recorded: the row as it reads back."),
        200: answer_of("Interaction", "Recorded before under the same key: the first row."),
    },
    openapi_extra=body_of(ref_to("InteractionCreate")) | _PARAMETERS,
)
async def create(exchange: Incoming, actor: Writer, ledger: RunningLedger) -> Response:
    """Record one interaction."""
    return to_response(await service.create(ledger, exchange))


@router.post(
    "/api/interactions/batch",
    operation_id="interactions.create_batch",
    status_code=201,
    response_class=Response,
    responses={
        201: answer_of("BatchAnswer", "Something was created and nothing failed."),
        200: answer_of("BatchAnswer", "Nothing new, or some items failed (mode=partial)."),
    },
    openapi_extra=body_of(
        {"anyOf": [{"type": "array", "items": ref_to("InteractionCreate")}, ref_to("BatchEnvelope")]},
        others=("application/x-ndjson",),
    )
    | {
        "parameters": [
            {
                "name": "mode",
                "in": "query",
                "description": "partial: up to 10,000 items, each on its own. Else all or nothing, up to 1,000.",
                "schema": {"type": "string", "enum": ["partial", "atomic"]},
            }
        ]
    },
)
async def create_batch(exchange: Incoming, actor: Writer, ledger: RunningLedger) -> Response:
    """Record many interactions: all or nothing, or item by item with mode=partial."""
    return to_response(await batch.create_batch(ledger, exchange))


@router.delete("/api/interactions/{interaction_id}", operation_id="interactions.delete", status_code=409)
async def delete(interaction_id: str, actor: Writer) -> None:
    """Refused: the ledger is append-only. Record a correction instead (``corrects``)."""
    raise AppendOnly("Interactions are never deleted. Record a new one with corrects instead.")


def schema_components() -> dict[str, Any]:
    """Return the OpenAPI components of `SCHEMAS`."""
    _, components = msgspec.json.schema_components(SCHEMAS, ref_template="#/components/schemas/{name}")
    components["InteractionCreate"]["allOf"] = [
        {"anyOf": [{"required": [kind]}, {"required": [kind + "Id"]}]} for kind in ("resourceType", "action", "origin")
    ]
    return components
