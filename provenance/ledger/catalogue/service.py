"""The verbs of the catalogue, the same for resource types, actions and origins."""

from typing import Any

from provenance.core.clock import now_ns
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import new_uuid, parse_uuid
from provenance.core.pagination import Page, PageAsked, paged
from provenance.ledger.catalogue import queries
from provenance.ledger.catalogue.cache import Catalogues, Kind
from provenance.ledger.catalogue.errors import (
    BadMnemonic,
    MnemonicImmutable,
    MnemonicTaken,
    SystemWord,
    WordInUse,
    WordNotFound,
)
from provenance.ledger.catalogue.naming import mnemonic_issue
from provenance.ledger.catalogue.schemas import CatalogueRow, WordCreate, WordUpdate, looks, shown
from provenance.ledger.errors import CatalogueFull
from provenance.ledger.service import WORDS_PER_KIND, Fact, record

_RESOURCE_TYPES = {Kind.RESOURCE_TYPE: "RESOURCE_TYPE", Kind.ACTION: "ACTION", Kind.ORIGIN: "ORIGIN"}


async def list_words(
    tx: ReadTx, kind: Kind, page: PageAsked, *, mnemonic: str | None, title: str | None
) -> list[dict[str, Any]] | Page:
    """Return all words of a kind, or the page of them that was asked for."""
    if not page.asked:
        return [shown(row) for row in await queries.page(tx, kind, mnemonic=mnemonic, title=title)]
    total = await queries.count(tx, kind, mnemonic=mnemonic, title=title)
    rows = await queries.page(tx, kind, mnemonic=mnemonic, title=title, limit=page.limit, offset=page.offset)
    return paged([shown(row) for row in rows], page, total)


async def create(tx: WriteTx, catalogues: Catalogues, kind: Kind, body: WordCreate) -> CatalogueRow:
    """Make a word, or adopt one that was made on the fly and never edited (the id stays).

    Raises BadMnemonic, MnemonicTaken, CatalogueFull.
    """
    issue = mnemonic_issue(body.mnemonic)
    if issue is not None:
        raise BadMnemonic.at("mnemonic", issue)
    await _about_to_change(tx, catalogues)
    values = {"title": body.title, **looks(body)}
    known = await queries.find(tx, kind, body.mnemonic, None)
    if known is not None:
        if not known.auto_created or known.edited or known.is_system:
            raise MnemonicTaken(f"There is a word {known.mnemonic} of this kind already.")
        row = await queries.change(tx, known.id, {**values, "edited": True, "modified_at": now_ns()})
    else:
        if await queries.count(tx, kind) >= WORDS_PER_KIND:
            raise CatalogueFull.at("mnemonic", f"the workspace holds {WORDS_PER_KIND:,} words of this kind already")
        row = await _insert(tx, kind, body.mnemonic, values)
    _record(tx, "CREATED", row)
    return row


async def get(tx: ReadTx, kind: Kind, reference: str) -> CatalogueRow:
    """Return a word by id or mnemonic. Raises WordNotFound."""
    found = await queries.find(tx, kind, reference, parse_uuid(reference))
    if found is None:
        raise WordNotFound("There is no such word of this kind.")
    return found


async def update(tx: WriteTx, catalogues: Catalogues, kind: Kind, reference: str, body: WordUpdate) -> CatalogueRow:
    """Change a word's looks. Raises WordNotFound, SystemWord, MnemonicImmutable."""
    await _about_to_change(tx, catalogues)
    known = await get(tx, kind, reference)
    if known.is_system:
        raise SystemWord("The platform's own words can't be changed.")
    if body.mnemonic is not None and body.mnemonic != known.mnemonic:
        raise MnemonicImmutable(f"The mnemonic {known.mnemonic} stays: recorded interactions carry it.")
    values = {"title": body.title or known.title, **looks(body), "edited": True, "modified_at": now_ns()}
    row = await queries.change(tx, known.id, values)
    _record(tx, "UPDATED", row)
    return row


async def delete(tx: WriteTx, catalogues: Catalogues, kind: Kind, reference: str) -> CatalogueRow:
    """Delete a word that no interaction names. Raises WordNotFound, SystemWord, WordInUse."""
    await _about_to_change(tx, catalogues)
    known = await get(tx, kind, reference)
    if known.is_system:
        raise SystemWord("The platform's own words can't be deleted.")
    if not await queries.remove_unused(tx, known.id):
        raise WordInUse(f"Interactions name {known.mnemonic}; it stays.")
    _record(tx, "DELETED", known)
    return known


async def _about_to_change(tx: WriteTx, catalogues: Catalogues) -> None:
    """Take the catalogue's lock and have every process read it anew after the commit."""
    await queries.raise_version(tx)
    tx.after_commit.append(lambda: catalogues.forget(tx.workspace_id))


async def _insert(tx: WriteTx, kind: Kind, mnemonic: str, values: dict[str, Any]) -> CatalogueRow:
    now = now_ns()
    row = await queries.add(
        tx,
        {
            "id": new_uuid(),
            "kind": kind.value,
            "mnemonic": mnemonic,
            "folded": mnemonic.lower(),
            "is_system": False,
            "auto_created": False,
            "edited": True,
            "used": False,
            "created_at": now,
            "modified_at": now,
            **values,
        },
    )
    assert row is not None, "the settings row's lock was held since the look-up"
    return row


def _record(tx: WriteTx, action: str, row: CatalogueRow) -> None:
    data = {"kind": row.kind, "mnemonic": row.mnemonic, "title": row.title}
    record(
        tx,
        Fact(
            resource_type=_RESOURCE_TYPES[Kind(row.kind)],
            action=action,
            resource_id=str(row.id),
            data=data,
            domain="catalogue",
        ),
    )
