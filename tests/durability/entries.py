"""Entries made by hand, for tests that call ``ledger_append`` itself."""

import os
import uuid

from provenance.ledger.entry import Columns, Entry

WORD = str(uuid.uuid4())


def entry(workspace: uuid.UUID, key: bytes | None = None, digest: bytes = b"d" * 16, *, resource: str = "r") -> Entry:
    """An entry with a new id; ``key`` is its dedupe key."""
    columns = Columns(
        workspace_id=workspace,
        id=str(uuid.uuid4()),
        resource_type_id=WORD,
        action_id=WORD,
        origin_id=WORD,
        resource_id=resource,
        user_id=None,
        external_reference=None,
        uow_id=str(uuid.uuid4()),
        span_id=str(uuid.uuid4()),
        parent_span_id=None,
        occurred_at=1,
        recorded_at=2,
        outcome=None,
        platform=False,
        recorded_by="key_test",
        actor_kind="key",
        sequence_index=None,
        risk=None,
        domain=None,
        corrects=None,
        content="{}",
        salt=os.urandom(16),
        content_digest=bytes(32),
        resource_key=bytes(16),
        user_key=None,
        leaf_hash=os.urandom(32),
    )
    return Entry(columns, [], key, None if key is None else digest, 100)
