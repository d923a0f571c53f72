"""Recording with typed events: ``audit.record(tx, event, …)`` wraps the ledger's primitive.

An event's name is its row's words: ``apikey.created`` is recorded as APIKEY / CREATED (DESIGN section 5).
"""

import uuid
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from provenance.audit.schemas import Risk
from provenance.core.db import WriteTx
from provenance.ledger.service import Fact
from provenance.ledger.service import record as record_fact

__all__ = ["Risk", "record", "words_of"]


_DOMAINS = {
    "alert": "ledger",
    "apikey": "auth",
    "audit": "workspace",
    "audit_digest": "workspace",
    "audit_stream": "workspace",
    "authz": "auth",
    "billing": "workspace",
    "datastore": "workspace",
    "environment": "workspace",
    "grant": "approval",
    "mcp": "gateway",
    "model_integration": "workspace",
    "notifications": "workspace",
    "object": "workspace",
    "person": "member",
    "policy": "gateway",
    "skill": "agent",
    "webhook": "auth",
}
"""Domains of events whose first word is none."""


def words_of(event: str) -> tuple[str, str]:
    """Return the resource type and the action of an event's name."""
    subject, _, verb = event.partition(".")
    return subject.upper(), verb.upper()


def domain_of(event: str) -> str:
    """Return the domain of an event, one of the eleven of spec/automation.md, 11.3 and the ledger's own."""
    subject = event.partition(".")[0]
    return _DOMAINS.get(subject, subject)


def record(
    tx: WriteTx,
    event: StrEnum,
    resource_id: str,
    data: Mapping[str, Any],
    *,
    risk: Risk = Risk.LOW,
    outcome: str = "success",
    user_id: str | None = None,
    workspace_id: uuid.UUID | None = None,
) -> None:
    """Record an event in the transaction it belongs to. ``data`` holds ids and changed fields, never secrets."""
    resource_type, action = words_of(event)
    fact = Fact(
        resource_type=resource_type,
        action=action,
        resource_id=resource_id,
        data=dict(data),
        risk=risk,
        outcome=outcome,
        user_id=user_id,
        domain=domain_of(event),
        workspace_id=workspace_id,
    )
    record_fact(tx, fact)
