"""An entry of the ledger: drafted from a request, sealed, ready to be appended.

Sealing computes what spec/proof.md section 3 asks for from day one: salt, content digest, keyed index hashes,
envelope and leaf hash. A draft has its words resolved already, because the envelope carries the catalogue's
spelling of each mnemonic.
"""

import uuid
from typing import NamedTuple

import msgspec

from provenance.core.clock import now_ns
from provenance.core.ids import new_uuid_text, random_bytes
from provenance.core.keyring import WorkspaceKeys
from provenance.ledger.catalogue.cache import Word
from provenance.proof.canonical import canonical_string
from provenance.proof.leaf import (
    Envelope,
    IndexKeys,
    content_digest,
    leaf_hash,
)

INDEX_PURPOSE = "ledger.index"
DEDUPE_PURPOSE = "ledger.dedupe"


class Columns(NamedTuple):
    """One row of the table ``interactions`` without its number, in the order that ``ledger_append`` takes."""

    workspace_id: uuid.UUID
    id: str
    resource_type_id: str
    action_id: str
    origin_id: str
    resource_id: str | None
    user_id: str | None
    external_reference: str | None
    uow_id: str
    span_id: str | None
    parent_span_id: str | None
    occurred_at: int
    recorded_at: int
    outcome: str | None
    platform: bool
    recorded_by: str
    actor_kind: str
    sequence_index: int | None
    risk: str | None
    domain: str | None
    corrects: str | None
    content: str | None
    salt: bytes | None
    content_digest: bytes
    resource_key: bytes
    user_key: bytes | None
    leaf_hash: bytes


class Draft(msgspec.Struct, kw_only=True):
    """What is to be recorded, checked and with its words resolved.

    ``members`` are the canonical texts of the content's members, without those that have no value.
    ``repeat_key`` names the request for deduplication (None: every call is a new entry), ``sent`` is the canonical
    form of what the client sent, compared when the key is seen again.
    """

    workspace_id: uuid.UUID
    workspace: str
    recorded_by: str
    actor_kind: str
    resource_type: Word
    action: Word
    origin: Word
    resource_id: str
    user_id: str | None
    external_reference: str | None
    uow_id: str
    span_id: str | None
    parent_span_id: str | None
    occurred_at: int | None
    outcome: str | None
    sequence_index: int | None
    corrects: str | None
    members: list[tuple[str, bytes]]
    related: list[str]
    repeat_key: bytes | None
    sent: bytes
    platform: bool = False
    risk: str | None = None
    domain: str | None = None


class Entry(msgspec.Struct, frozen=True):
    """A sealed entry: its columns, the other resources it names, its dedupe key and digest (16 bytes each)."""

    columns: Columns
    related: list[str]
    key: bytes | None
    digest: bytes | None
    size: int


class Verdict(NamedTuple):
    """What became of an entry: its number and id (or those of the entry it repeats), and c, s or d."""

    number: int
    id: str
    kind: str

    @property
    def created(self) -> bool:
        """A new row was stored."""
        return self.kind == "c"

    @property
    def conflicts(self) -> bool:
        """The key was seen before with other content."""
        return self.kind == "d"


class _Names(dict[str, bytes]):
    """The members' names as they are written, each made once."""

    def __missing__(self, name: str) -> bytes:
        written = self[name] = canonical_string(name) + b":"
        return written


_NAMES = _Names()


def seal(draft: Draft, keys: WorkspaceKeys) -> Entry:
    """Seal a draft: from here on nothing of it may change."""
    content = b"{" + b",".join([_NAMES[name] + value for name, value in draft.members]) + b"}"
    salt = random_bytes(16)
    digest = content_digest(salt, content)
    index_mac = keys.fast_mac(INDEX_PURPOSE)
    recorded_at = now_ns()
    occurred_at = recorded_at if draft.occurred_at is None else draft.occurred_at
    resource_key = index_mac(b"r\0" + draft.resource_id.encode())[:16]
    user_key = None if draft.user_id is None else index_mac(b"u\0" + draft.user_id.encode())[:16]
    entry_id = new_uuid_text()
    envelope = Envelope(
        action=draft.action.mnemonic,
        actor_kind=draft.actor_kind,
        content_digest=digest.hex(),
        corrects=draft.corrects,
        domain=draft.domain,
        id=entry_id,
        keys=IndexKeys(resource_key.hex(), None if user_key is None else user_key.hex()),
        occurred=str(occurred_at),
        origin=draft.origin.mnemonic,
        outcome=draft.outcome,
        parent_span=draft.parent_span_id,
        platform=draft.platform,
        recorded=str(recorded_at),
        recorded_by=draft.recorded_by,
        resource_type=draft.resource_type.mnemonic,
        risk=draft.risk,
        sequence=draft.sequence_index,
        span=draft.span_id,
        uow=draft.uow_id,
        workspace=draft.workspace,
    )
    columns = Columns(
        draft.workspace_id,
        entry_id,
        draft.resource_type.id,
        draft.action.id,
        draft.origin.id,
        draft.resource_id,
        draft.user_id,
        draft.external_reference,
        draft.uow_id,
        draft.span_id,
        draft.parent_span_id,
        occurred_at,
        recorded_at,
        draft.outcome,
        draft.platform,
        draft.recorded_by,
        draft.actor_kind,
        draft.sequence_index,
        draft.risk,
        draft.domain,
        draft.corrects,
        content.decode(),
        salt,
        digest,
        resource_key,
        user_key,
        leaf_hash(envelope.canonical()),
    )
    key = same = None
    if draft.repeat_key is not None:
        dedupe_mac = keys.fast_mac(DEDUPE_PURPOSE)
        key = dedupe_mac(draft.repeat_key)[:16]
        same = dedupe_mac(b"sent\0" + draft.sent)[:16]
    return Entry(columns, draft.related, key, same, len(content) + 600)
