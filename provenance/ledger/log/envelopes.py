"""The envelope of a stored row, rebuilt from its columns: what was hashed when it was recorded (decision 16)."""

import uuid

from provenance.ledger.catalogue.cache import Catalogue
from provenance.ledger.entry import Columns
from provenance.proof.leaf import Envelope, IndexKeys


def envelope_of(row: Columns, catalogue: Catalogue) -> bytes:
    """Return the canonical envelope (spec/proof.md, 3) of a row; it holds for an erased one too."""
    return Envelope(
        action=catalogue.shown(row.action_id).mnemonic,
        actor_kind=row.actor_kind,
        content_digest=row.content_digest.hex(),
        corrects=_text(row.corrects),
        domain=row.domain,
        id=str(row.id),
        keys=IndexKeys(row.resource_key.hex(), None if row.user_key is None else row.user_key.hex()),
        occurred=str(row.occurred_at),
        origin=catalogue.shown(row.origin_id).mnemonic,
        outcome=row.outcome,
        parent_span=_text(row.parent_span_id),
        platform=row.platform,
        recorded=str(row.recorded_at),
        recorded_by=row.recorded_by,
        resource_type=catalogue.shown(row.resource_type_id).mnemonic,
        risk=row.risk,
        sequence=row.sequence_index,
        span=_text(row.span_id),
        uow=str(row.uow_id),
        workspace=catalogue.workspace,
    ).canonical()


def _text(value: str | uuid.UUID | None) -> str | None:
    return None if value is None else str(value)
