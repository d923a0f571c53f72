"""Checking one row: every value that reads back against the leaf that was signed. Pure."""

from collections.abc import Callable, Iterator

import msgspec

from provenance.ledger.catalogue.cache import Catalogue
from provenance.ledger.entry import Columns
from provenance.ledger.log.envelopes import envelope_of
from provenance.ledger.self_audit.schemas import Finding, Kind
from provenance.proof.leaf import content_digest, leaf_hash

BACKWARDS_NS = 10 * 10**9
"""A row recorded more than this before its left neighbour was put there later than it says."""

Mac = Callable[[bytes], bytes]


class _Named(msgspec.Struct, rename="camel"):
    resource_id: str | None = None
    user_id: str | None = None
    external_reference: str | None = None


_named = msgspec.json.Decoder(_Named).decode


def check(number: int, row: Columns, signed: bytes, catalogue: Catalogue, index_mac: Mac) -> Iterator[Finding]:
    """Yield what is wrong with a row. ``signed`` is the leaf hash under the signed head, 32 bytes."""
    try:
        leaf = leaf_hash(envelope_of(row, catalogue))
    except KeyError:
        leaf = b""  # a word that the row names is gone
    if leaf != signed:
        yield Finding(Kind.ENVELOPE, number, number)
    if row.content is None or row.salt is None:
        if not (row.content is None and row.salt is None and row.resource_id is None and row.user_id is None):
            yield Finding(Kind.CONTENT, number, number)
        return
    if content_digest(row.salt, row.content.encode()) != row.content_digest:
        yield Finding(Kind.CONTENT, number, number)
    elif not _columns_agree(row, index_mac):
        yield Finding(Kind.COLUMNS, number, number)


def _columns_agree(row: Columns, index_mac: Mac) -> bool:
    named = _named(row.content or "{}")
    return (
        (named.resource_id, named.user_id, named.external_reference)
        == (row.resource_id, row.user_id, row.external_reference)
        and row.resource_key == index_mac(b"r\0" + (row.resource_id or "").encode())[:16]
        and row.user_key == (None if row.user_id is None else index_mac(b"u\0" + row.user_id.encode())[:16])
    )


def check_time(number: int, recorded_at: int, before: int) -> Iterator[Finding]:
    """Yield a finding for a row that says it was recorded well before its left neighbour (nanoseconds)."""
    if recorded_at < before - BACKWARDS_NS:
        yield Finding(Kind.TIME, number, number)
