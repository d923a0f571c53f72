"""Interactions as pages, and as a table that fits the terminal."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from provenance.cli import terminal
from provenance.cli.terminal import Row

if TYPE_CHECKING:
    from rich.table import Table

    from provenance_client import Client

PAGE = 500
"""Rows that the server gives at once; more are fetched by cursor."""

WIDE, MIDDLE = 150, 100
"""Columns from which the unit of work, and from which user, origin and details, are shown."""


def pages(client: "Client", filters: dict[str, Any], limit: int) -> Iterator[Any]:
    """Yield pages of interactions until `limit` rows were given or none are left, following the cursor.

    A page may be empty and still have a successor: the server stops a scan at its budget and says where it
    was.
    """
    cursor, left = None, limit
    while left > 0:
        page = client.interactions.list(**filters, limit=min(left, PAGE), cursor=cursor)
        yield page
        left -= len(page["data"])
        cursor = page["pagination"].get("nextCursor")
        if not cursor:
            return


def print_table(rows: Sequence[Row]) -> None:
    """Print interactions as a table on stdout; nothing when there are none."""
    if not rows:
        terminal.say("Nothing found.")
        return
    out = terminal.console()
    table = _columns(out.width)
    for row in rows:
        table.add_row(*_cells(row, out.width))
    out.print(table)


def _columns(width: int) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("When (UTC)", no_wrap=True, min_width=19)
    for title in ("Action", "Type"):
        table.add_column(title, no_wrap=True)
    table.add_column("Resource", no_wrap=True, min_width=12)
    if width >= MIDDLE:
        for title in ("User", "Origin"):
            table.add_column(title, no_wrap=True)
    if width >= WIDE:
        table.add_column("Unit of work", no_wrap=True, min_width=36)
    if width >= MIDDLE:
        table.add_column("Details", no_wrap=True, ratio=1 if width < terminal.UNBOUNDED else None)
    return table


def _cells(row: Row, width: int) -> list[Any]:
    from rich.text import Text

    cells: list[Any] = [
        str(row["interactionNumber"]),
        terminal.moment(row["createdDate"])[: 19 if width < WIDE else None],
        terminal.badge(row, "action"),
        terminal.badge(row, "resourceType"),
        Text(terminal.plain(row["resourceId"])),
    ]
    if width >= MIDDLE:
        cells += [Text(terminal.plain(row.get("userId") or "")), terminal.badge(row, "origin")]
    if width >= WIDE:
        cells.append(row["uowId"])
    if width >= MIDDLE:
        cells.append(Text(terminal.preview(row)))
    return cells


def say_what_is_left(shown: int, pagination: dict[str, Any]) -> None:
    """Tell on stderr that there is more than was asked for."""
    if not pagination.get("nextCursor"):
        return
    total = pagination.get("total")
    counted = f" of {'more than ' if pagination.get('totalCapped') else ''}{total}" if total else ""
    terminal.say(f"{shown}{counted} shown. Raise --limit to see more.")
