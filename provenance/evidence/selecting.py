"""Which rows satisfy a filter: all of them, up to the limit of a pack, and how the filter is written down."""

from typing import Any

from provenance.core.actor import Actor
from provenance.core.clock import iso_millis
from provenance.core.db import Database, ReadTx
from provenance.evidence.errors import NothingAsked, TooManyRecords
from provenance.ledger.catalogue.cache import Catalogue, Catalogues, Kind
from provenance.ledger.completeness.schemas import Subject
from provenance.ledger.interactions import scanning
from provenance.ledger.interactions.filters import Criteria, Filters, criteria
from provenance.ledger.interactions.scanning import Wanted
from provenance.ledger.interactions.where import WhereTest
from provenance.proof.completeness_map import Kind as MapKind

MOST_RECORDS = 100_000
_ROWS_AT_ONCE = 1_000
_WORDS = {"resourceType": Kind.RESOURCE_TYPE, "action": Kind.ACTION, "origin": Kind.ORIGIN}


def written(filters: Filters, catalogue: Catalogue) -> dict[str, Any]:
    """Return the filter in the one form in which it is kept: same question, same text.

    Words in the catalogue's spelling, lists sorted, times in UTC with the end exclusive (``before``).
    Raises NothingAsked when nothing narrows the list.
    """
    given = filters.model_dump(by_alias=True, exclude_none=True)
    start, end = given.pop("startDate", None), given.pop("endDate", None)
    for name, kind in _WORDS.items():
        if name in given:
            words = [catalogue.named(kind, each) or catalogue.with_id(each.lower()) for each in given[name]]
            given[name] = [word.mnemonic if word else each for word, each in zip(words, given[name], strict=True)]
    found = {name: sorted(set(value)) if isinstance(value, list) else value for name, value in given.items()}
    if start is not None:
        found["from"] = iso_millis(start)
    if end is not None:
        found["before"] = iso_millis(end)
    if not found or not criteria(filters, catalogue).narrows:
        raise NothingAsked("filters: say what the evidence is about", details=[{"path": "filters", "issue": "empty"}])
    return found


def one_id(written: dict[str, Any]) -> Subject | None:
    """Return the one resource, user or unit of work that a filter names and nothing else; None for any other."""
    if len(written) != 1:
        return None
    [(name, value)] = written.items()
    if name == "resourceId":
        return Subject("r", value[0]) if len(value) == 1 and not value[0].endswith("*") else None
    kinds: dict[str, MapKind] = {"userId": "u", "uowId": "uow"}
    return Subject(kinds[name], value) if name in kinds else None


async def numbers_of(db: Database, actor: Actor, catalogues: Catalogues, filters: Filters) -> list[int]:
    """Return the numbers of all rows that satisfy the filters, ascending.

    Reads in pieces, each in a transaction of its own: rows are only ever added. Raises TooManyRecords.
    """
    found: list[int] = []
    wanted = Wanted(newest_first=False, after=None, skip=0, rows=_ROWS_AT_ONCE, counting=False)
    while True:
        async with db.read(actor) as tx:
            piece = await _piece(tx, catalogues, filters, wanted)
        found += [number for _, number in piece.keys]
        if len(found) > MOST_RECORDS:
            raise TooManyRecords.at("filters", f"more than {MOST_RECORDS:,} records satisfy them: narrow them")
        if piece.ended or piece.last is None:
            break
        after = piece.keys[-1] if len(piece.keys) == _ROWS_AT_ONCE else piece.last
        wanted = wanted._replace(after=after)
    return sorted(found)


async def _piece(tx: ReadTx, catalogues: Catalogues, filters: Filters, wanted: Wanted) -> scanning.Found:
    chosen: Criteria = criteria(filters, await catalogues.within(tx))
    if chosen.impossible:
        return scanning.Found(ended=True)
    test = None if chosen.where is None else WhereTest(tx, catalogues, chosen.where)
    return await scanning.find(tx, chosen, wanted, test, sees_platform=tx.actor.reads_platform_rows)
