"""Listing the fields that were discovered."""

import uuid
from typing import Any

from provenance.core.db import ReadTx
from provenance.core.ids import parse_uuid
from provenance.core.pagination import Page, PageAsked, paged
from provenance.ledger.catalogue.cache import Catalogue, Catalogues, Kind
from provenance.ledger.fields import queries
from provenance.ledger.fields.queries import FieldFilter, FieldRow

UNKNOWN = uuid.UUID(int=0)
"""Stands for a word that the workspace does not have: nothing was ever recorded under it."""


def named(catalogue: Catalogue, kind: Kind, reference: str | None) -> uuid.UUID | None:
    """Return the id that a mnemonic or id stands for; None for none, `UNKNOWN` for one that is not there."""
    if reference is None:
        return None
    word = catalogue.named(kind, reference)
    return (parse_uuid(reference) or UNKNOWN) if word is None else uuid.UUID(word.id)


async def find(
    tx: ReadTx, catalogues: Catalogues, asked: PageAsked, *, resource_type: str | None, action: str | None
) -> Page:
    """Return one page of the fields of a resource type and an action, by mnemonic or id; of all when None.

    Fields of the platform's own rows are left out for a caller who may not read those rows.
    """
    catalogue = await catalogues.within(tx)
    wanted = FieldFilter(
        named(catalogue, Kind.RESOURCE_TYPE, resource_type),
        named(catalogue, Kind.ACTION, action),
        hide_system=not tx.actor.reads_platform_rows,
    )
    total = await queries.count(tx, wanted)
    rows = await queries.page(tx, wanted, limit=asked.limit, offset=asked.offset)
    page = paged([shown(row) for row in rows], asked, min(total, queries.TOTAL_CAP))
    page["pagination"]["totalCapped"] = total > queries.TOTAL_CAP
    return page


def shown(row: FieldRow) -> dict[str, Any]:
    """Return a field as it reads on the wire."""
    return {
        "resourceType": row.resource_type,
        "action": row.action,
        "path": row.path,
        "types": [{"type": kind, "count": times} for kind, times in row.types],
        "count": row.times,
    }
