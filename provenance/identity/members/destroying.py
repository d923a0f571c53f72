"""What an erasure destroys in each workspace besides the person themselves, and the event that tells of it."""

import uuid
from typing import Any

from provenance.audit import service as audit
from provenance.core.db import WriteTx
from provenance.core.idempotency import forget_answers
from provenance.core.ids import encode
from provenance.identity.api_keys import queries as api_keys
from provenance.identity.members.journal import Line
from provenance.identity.schemas import MemberEvent


def tombstone_of(erasure_id: uuid.UUID) -> str:
    """Return how an erased person reads: the same for all their rows, and nobody's name."""
    return encode("erased", erasure_id)


async def destroy_traces(tx: WriteTx, line: Line, **more: Any) -> None:
    """Destroy what the workspace holds of an erased person besides rows; records ``member.erased`` with ``more``."""
    user_id = encode("user", line.person)
    await forget_answers(tx)
    data: dict[str, Any] = {
        "erasureId": encode("ers", line.erasure),
        "tombstone": tombstone_of(line.erasure),
        "keysRevoked": [f"key_{each}" for each in await api_keys.revoke_made_by(tx, user_id)],
        **more,
    }
    audit.record(tx, MemberEvent.ERASED, user_id, data, risk=audit.Risk.CRITICAL)
