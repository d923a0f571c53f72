"""A message as its readers get it: one JSON object, the same in a filter, a pull, a webhook and a run's input."""

import uuid
from typing import Any

import msgspec

from provenance.bus.messages.schemas import PREFIX, Publication, Row
from provenance.core.clock import NANOS, iso_millis
from provenance.core.ids import encode

SCHEMA_PREFIX = "sch"


def envelope_of(message: Publication, now: int, payload: Any) -> dict[str, Any]:
    """Return what a filter sees of a message that is being published."""
    return {
        "msgId": encode(PREFIX, message.id),
        "topic": message.topic,
        "topicKey": message.topic_key,
        "payload": payload,
        "producerId": message.producer_id,
        "producerKind": message.producer_kind,
        "correlationId": message.correlation_id,
        "hopCount": message.hop_count,
        "originRunId": wire_run(message.origin_run_id),
        "publishedAt": iso_millis(now),
        "ttlSeconds": message.ttl_seconds,
    }


def envelope_members(row: Row) -> dict[str, Any]:
    """Return the members of a stored message's envelope, but for its payload."""
    return {
        "msgId": encode(PREFIX, row.id),
        "topic": row.topic,
        "topicKey": row.topic_key,
        "payloadRef": payload_ref(row),
        "producerId": row.producer_id,
        "producerKind": row.producer_kind,
        "correlationId": row.correlation_id,
        "hopCount": row.hop_count,
        "originRunId": wire_run(row.origin_run_id),
        "publishedAt": iso_millis(row.published_at),
        "ttlSeconds": (row.expires_at - row.published_at) // NANOS,
        "expiresAt": iso_millis(row.expires_at),
        "schemaId": None if row.schema_id is None else encode(SCHEMA_PREFIX, row.schema_id),
        "schemaVersion": row.schema_version,
    }


def envelope_json(row: Row, **more: Any) -> bytes:
    """Return a stored message's envelope as JSON; its payload is written as it was published."""
    payload = msgspec.Raw(b"null" if row.payload is None else row.payload.encode())
    return msgspec.json.encode({**envelope_members(row), "payload": payload, **more})


def delivered(row: Row) -> Row:
    """Return a message as it is handed on: one hop further than it was published."""
    return row._replace(hop_count=row.hop_count + 1)


def payload_ref(row: Row) -> str | None:
    """Return the path under which a payload is read that does not go with its message."""
    return f"/bus/messages/{encode(PREFIX, row.id)}/payload" if row.payload is None else None


def wire_run(run_id: uuid.UUID | None) -> str | None:
    """Write a run's id."""
    return None if run_id is None else encode("run", run_id)
