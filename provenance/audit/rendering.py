"""A platform row as an audit event: derived on reading, nothing is stored twice."""

import uuid
from typing import Any

import msgspec

from provenance.audit.schemas import ACTOR_KINDS, OUTCOMES, ActorKind, Change, Credential, Event
from provenance.core.clock import iso_millis
from provenance.core.ids import encode
from provenance.core.keyring import WorkspaceKeys
from provenance.ledger.catalogue.cache import Catalogue
from provenance.ledger.entry import Columns
from provenance.ledger.log.envelopes import envelope_of

MAC_PURPOSE = "audit.mac"
MAC_KEY_ID = "audit-1"
"""The MAC's key is pinned to the first generation of the workspace's data key: what it made stays checkable."""

_KINDS: dict[str, ActorKind] = {kind: name for name, kinds in ACTOR_KINDS.items() for kind in kinds}


class _Content(msgspec.Struct, rename="camel"):
    interaction: dict[str, Any] | None = None
    ip: str | None = None
    user_agent: str | None = None
    links: list[dict[str, Any]] = msgspec.field(default_factory=list)


_decode = msgspec.json.Decoder(_Content).decode


def mac_of(envelope: bytes, keys: WorkspaceKeys) -> str:
    """Return the MAC of an event, 64 hex digits: over the canonical envelope, with the workspace's audit key."""
    return keys.mac(MAC_PURPOSE, envelope).hex()


def render(number: int, row: Columns, catalogue: Catalogue, keys: WorkspaceKeys) -> Event:
    """Return a platform row as an event."""
    content = _decode(row.content) if row.content is not None else _Content()
    detail = dict(content.interaction or {})
    object_kind, action = catalogue.shown(row.resource_type_id).mnemonic, catalogue.shown(row.action_id).mnemonic
    return Event(
        event_id=encode("evt", uuid.UUID(str(row.id))),
        event_type=f"{object_kind}.{action}".lower(),
        domain=row.domain,
        risk=row.risk,
        at=iso_millis(row.occurred_at),
        workspace_id=catalogue.workspace,
        actor_id=row.recorded_by,
        actor_kind=_KINDS.get(row.actor_kind, "system"),
        person_id=row.user_id or (row.recorded_by if row.recorded_by.startswith("user_") else None),
        credential=_credential(row),
        ip=content.ip,
        user_agent=content.user_agent,
        object_kind=object_kind.lower(),
        object_id=row.resource_id,
        object_name=_text(detail.pop("name", None)),
        action=action.lower(),
        outcome=OUTCOMES[row.outcome or "success"],  # type: ignore[arg-type]
        run_id=_text(detail.pop("runId", None)),
        step_id=_text(detail.pop("stepId", None)),
        request_id=next((link["requestId"] for link in content.links if "requestId" in link), None),
        changes=_changes(detail.pop("changes", None)),
        detail=detail,
        seq=number,
        mac_key_id=MAC_KEY_ID,
        mac=mac_of(envelope_of(row, catalogue), keys),
    )


def _credential(row: Columns) -> Credential:
    if row.actor_kind == "key":
        return Credential(kind="api_key", key_id=row.recorded_by)
    if row.actor_kind == "person":
        return Credential(kind="jwt")
    return Credential(kind="hmac" if row.actor_kind in ("queue", "webhook") else "internal")


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _changes(value: Any) -> list[Change]:
    """Return the changed fields that a feature noted, as a list of them or as ``{field: [before, after]}``."""
    if isinstance(value, dict):
        return [Change(field=name, before=pair[0], after=pair[1]) for name, pair in sorted(value.items())]
    return [Change.model_validate(each) for each in value] if isinstance(value, list) else []
