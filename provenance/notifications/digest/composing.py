"""What a digest says: counted and read from the rows that no digest covered before."""

import asyncio
from collections import defaultdict
from typing import Any

from provenance.audit.reading import as_csv
from provenance.audit.rendering import render
from provenance.audit.schemas import Event, Risk
from provenance.core.clock import iso_millis
from provenance.core.db import ReadTx
from provenance.core.keyring import WorkspaceKeys
from provenance.ledger.catalogue.cache import Catalogue, Catalogues
from provenance.ledger.entry import Columns
from provenance.notifications.digest import queries
from provenance.notifications.digest.schemas import Contents, Stored

LISTED = 200
"""Events of high and critical risk that the mail lists."""
CSV_ROWS = 20_000
CSV_BYTES = 8 * 1024 * 1024
_AT_ONCE = 500
_RISKS = tuple(reversed(Risk))


async def read(tx: ReadTx, catalogues: Catalogues, keys: WorkspaceKeys, stored: Stored, slug: str) -> Contents:
    """Read what a digest tells: everything beyond the last one up to now."""
    upto = await queries.head(tx)
    catalogue = await catalogues.within(tx)
    notable = [risk for risk in stored.risk_levels if risk in (Risk.HIGH, Risk.CRITICAL)]
    listed = await queries.rows(tx, notable, stored.number, upto, LISTED)
    table, complete = None, True
    if stored.include_csv:
        table, complete = await _csv(tx, catalogue, keys, stored, upto)
    return Contents(
        workspace=slug,
        first=stored.number + 1,
        last=upto,
        counts=await queries.counts(tx, stored.risk_levels, stored.number, upto),
        notable=[_event(row, catalogue, keys) for row in listed],
        csv=table,
        csv_complete=complete,
    )


async def _csv(tx: ReadTx, catalogue: Catalogue, keys: WorkspaceKeys, stored: Stored, upto: int) -> tuple[bytes, bool]:
    """Return the events as CSV and whether all of them are in it: a mail has its bounds."""
    table, after, count = as_csv([], header=True), stored.number, 0
    while True:
        rows = await queries.rows(tx, stored.risk_levels, after, upto, _AT_ONCE)
        if not rows:
            return table, True
        piece = as_csv([_event(row, catalogue, keys) for row in rows], header=False)
        count += len(rows)
        if count > CSV_ROWS or len(table) + len(piece) > CSV_BYTES:
            return table, False
        table, after = table + piece, rows[-1][0]
        await asyncio.sleep(0)


def _event(row: Any, catalogue: Catalogue, keys: WorkspaceKeys) -> Event:
    return render(row[0], Columns._make(row[1:]), catalogue, keys)


def subject(contents: Contents) -> str:
    """Return the mail's subject: how much there is, of what weight."""
    weights = _by_risk(contents)
    said = ", ".join(f"{weights[risk]} {risk}" for risk in _RISKS if weights[risk]) or "nothing happened"
    return f"[Provenance] Audit of {contents.workspace}: {said}"


def text(contents: Contents, stored: Stored, link: str) -> str:
    """Return the mail's text."""
    since = "the digest was switched on" if stored.last_sent_at is None else f"{iso_millis(stored.last_sent_at)}"
    parts = [
        f"The audit of {contents.workspace} since {since}: {contents.total} events, "
        f"among the rows {contents.first} to {contents.last} of the ledger.",
        _counted(contents),
        _listed(contents),
        "" if contents.csv_complete else "The attached table holds the first of them only; the audit has all.",
        f"The whole audit: {link}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _by_risk(contents: Contents) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for risk, _, count in contents.counts:
        found[risk] += count
    return found


def _counted(contents: Contents) -> str:
    """Return the table of counts: a line for each domain, a column for each risk."""
    cells: dict[str, dict[str, int]] = defaultdict(dict)
    for risk, domain, count in contents.counts:
        cells[domain or "-"][risk] = count
    heads = "".join(f"{risk:>10}" for risk in _RISKS)
    lines = [
        f"{domain:<24}" + "".join(f"{counts.get(risk, 0):>10}" for risk in _RISKS)
        for domain, counts in sorted(cells.items())
    ]
    return "\n".join([f"{'':<24}{heads}", *lines]) if lines else ""


def _listed(contents: Contents) -> str:
    if not contents.notable:
        return ""
    lines = [
        f"{event.at}  {event.risk:<8}  {event.event_type}  {event.actor_id}  {event.object_id or ''}  {event.event_id}"
        for event in contents.notable
    ]
    more = contents.notable_total - len(lines)
    return "\n".join(["Of high and critical risk:", *lines, *([f"… and {more} more"] if more else [])])
