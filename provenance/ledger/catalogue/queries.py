"""Every statement on the catalogue and the ledger's settings."""

import uuid
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from provenance.core.db import ReadTx, WriteTx
from provenance.ledger.catalogue.schemas import CatalogueRow, SettingsRow
from provenance.ledger.tables import catalogue, ledger_settings

_COLUMNS = [catalogue.c[name] for name in CatalogueRow._fields]


def _row(row: Row[Any]) -> CatalogueRow:
    return CatalogueRow._make(row)


_SETTINGS = """
SELECT workspace, catalogue_version, strict_catalogue, queue_generation, logs.size AS integrated
  FROM ledger_settings JOIN logs USING (workspace_id) WHERE workspace_id = $1
"""


async def settings(tx: ReadTx) -> SettingsRow:
    """Return the workspace's ledger settings. Text: every list asks for them."""
    return SettingsRow._make((await tx.driver_sql(_SETTINGS, (tx.workspace_id,))).one())


async def insert_settings(tx: WriteTx, workspace: str) -> None:
    """Open a workspace's ledger."""
    await tx.execute(insert(ledger_settings).values(workspace_id=tx.workspace_id, workspace=workspace))


async def raise_version(tx: WriteTx) -> None:
    """Tell every process that the catalogue changed; also the lock under which words are made."""
    await tx.execute(
        update(ledger_settings)
        .where(ledger_settings.c.workspace_id == tx.workspace_id)
        .values(catalogue_version=ledger_settings.c.catalogue_version + 1)
    )


async def all_words(tx: ReadTx) -> list[CatalogueRow]:
    """Return every word of the workspace; at most 5,000 a kind."""
    found = await tx.execute(select(*_COLUMNS).where(catalogue.c.workspace_id == tx.workspace_id))
    return [_row(row) for row in found]


async def page(
    tx: ReadTx,
    kind: str,
    *,
    mnemonic: str | None,
    title: str | None,
    limit: int | None = None,
    offset: int = 0,
) -> list[CatalogueRow]:
    """Return the words of a kind whose mnemonic and title contain these texts, system words included, by title."""
    query = select(*_COLUMNS).where(catalogue.c.workspace_id == tx.workspace_id, catalogue.c.kind == kind).limit(limit)
    if mnemonic:
        query = query.where(catalogue.c.folded.contains(mnemonic.lower(), autoescape=True))
    if title:
        query = query.where(catalogue.c.title.icontains(title, autoescape=True))
    found = await tx.execute(query.order_by(catalogue.c.created_at, catalogue.c.id).offset(offset))
    return [_row(row) for row in found]


async def find(tx: ReadTx, kind: str, reference: str, word_id: uuid.UUID | None) -> CatalogueRow | None:
    """Return the word with this id, or this mnemonic ignoring case."""
    matches = [catalogue.c.folded == reference.lower()]
    if word_id is not None:
        matches.append(catalogue.c.id == word_id)
    query = select(*_COLUMNS).where(
        catalogue.c.workspace_id == tx.workspace_id, catalogue.c.kind == kind, or_(*matches)
    )
    row = (await tx.execute(query)).first()
    return None if row is None else _row(row)


async def add(tx: WriteTx, values: dict[str, Any]) -> CatalogueRow | None:
    """Insert a word; None when the mnemonic is taken."""
    query = (
        insert(catalogue)
        .values(workspace_id=tx.workspace_id, **values)
        .on_conflict_do_nothing(index_elements=["workspace_id", "kind", "folded"])
        .returning(*_COLUMNS)
    )
    row = (await tx.execute(query)).first()
    return None if row is None else _row(row)


async def add_all(tx: WriteTx, rows: list[dict[str, Any]]) -> None:
    """Insert words in the order of their names, leaving those that exist as they are."""
    ordered = sorted(rows, key=lambda row: (row["kind"], row["folded"]))
    await tx.execute(
        insert(catalogue)
        .values([{"workspace_id": tx.workspace_id, **row} for row in ordered])
        .on_conflict_do_nothing(index_elements=["workspace_id", "kind", "folded"])
    )


async def change(tx: WriteTx, word_id: uuid.UUID, values: dict[str, Any]) -> CatalogueRow:
    """Change a word and return it."""
    query = (
        update(catalogue)
        .where(catalogue.c.workspace_id == tx.workspace_id, catalogue.c.id == word_id)
        .values(**values)
        .returning(*_COLUMNS)
    )
    return _row((await tx.execute(query)).one())


async def mark_used(tx: WriteTx, word_ids: Iterable[str]) -> int:
    """Mark words as named by an interaction; return how many of them still exist."""
    ids = sorted(uuid.UUID(word_id) for word_id in word_ids)
    query = update(catalogue).where(catalogue.c.workspace_id == tx.workspace_id, catalogue.c.id.in_(ids))
    return (await tx.execute(query.values(used=True))).rowcount


async def mark_system(tx: WriteTx, word_ids: Iterable[str]) -> None:
    """Mark words as the platform's own."""
    ids = sorted(uuid.UUID(word_id) for word_id in word_ids)
    query = update(catalogue).where(catalogue.c.workspace_id == tx.workspace_id, catalogue.c.id.in_(ids))
    await tx.execute(query.values(used=True, is_system=True))


async def remove_unused(tx: WriteTx, word_id: uuid.UUID) -> bool:
    """Delete a word that no interaction names; False when one does."""
    query = delete(catalogue).where(
        catalogue.c.workspace_id == tx.workspace_id, catalogue.c.id == word_id, catalogue.c.used.is_(False)
    )
    return (await tx.execute(query)).rowcount > 0


async def count(tx: ReadTx, kind: str, *, mnemonic: str | None = None, title: str | None = None) -> int:
    """Count the words of a kind, narrowed as in `page`; there are at most 5,000."""
    query = (
        select(func.count())
        .select_from(catalogue)
        .where(catalogue.c.workspace_id == tx.workspace_id, catalogue.c.kind == kind)
    )
    if mnemonic:
        query = query.where(catalogue.c.folded.contains(mnemonic.lower(), autoescape=True))
    if title:
        query = query.where(catalogue.c.title.icontains(title, autoescape=True))
    return int((await tx.execute(query)).scalar_one())
