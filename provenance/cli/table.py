"""Interactions as a table that fits the terminal: what matters most has its room first."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from provenance.cli import terminal
from provenance.cli.terminal import Row

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

GAP = 3
"""Columns of the terminal between two columns of the table."""

MOST = {"Action": 24, "Type": 24, "User": 24, "Origin": 16}
"""Widths at which a column stops growing while others need the room."""

LEAST = {"Resource": 12, "Details": 20}
"""Widths below which a column is not worth showing."""

NEEDED = ("#", "When (UTC)", "Action", "Type")
OPTIONAL = ("User", "Origin", "Unit of work")

EXACT = 150
"""Terminal width from which times are shown to the millisecond."""


def print_table(rows: Sequence[Row]) -> None:
    """Print interactions as a table on stdout; without any, say so on stderr."""
    if not rows:
        terminal.say("Nothing found.")
        return
    out = terminal.console()
    lines = [_cells(row, exact=out.width >= EXACT) for row in rows]
    natural = {title: max(len_of(title), *(line[title].cell_len for line in lines)) for title in lines[0]}
    # A column that would be empty leaves its room to the others.
    empty = {title for title in natural if not any(line[title] for line in lines)}
    widths = fit({title: size for title, size in natural.items() if title not in empty}, out.width)
    table = _table(widths)
    for line in lines:
        table.add_row(*(line[title] for title in widths))
    out.print(table)


def len_of(text: str) -> int:
    """Return how many columns a text takes on a terminal."""
    from rich.cells import cell_len

    return cell_len(text)


def fit(natural: Mapping[str, int], width: int) -> dict[str, int]:
    """Return which columns are shown and how wide, in their order, for a terminal of this width.

    The needed ones come first, then who and where from, then the unit of work where enough is left for
    details; what remains goes to the resource's id and to the details.
    """
    chosen = {title: min(natural[title], MOST.get(title, 99)) for title in NEEDED}
    chosen["Resource"] = min(natural["Resource"], LEAST["Resource"])
    details = min(natural.get("Details", 0), LEAST["Details"])
    room = width - sum(chosen.values()) - GAP * (len(chosen) - 1)
    for title in OPTIONAL:
        wanted = min(natural.get(title, 0), MOST.get(title, 99))
        reserved = details + GAP if title == "Unit of work" and details else 0
        if wanted and room >= wanted + GAP + reserved:
            chosen[title] = wanted
            room -= wanted + GAP
    if details and room >= details + GAP:
        chosen["Details"] = details
        room -= details + GAP
    for title in ("Resource", "Action", "Type", "User", "Origin", "Details"):
        if title in chosen:
            more = max(0, min(room, natural[title] - chosen[title]))
            chosen[title] += more
            room -= more
    return {title: chosen[title] for title in natural if title in chosen}


def _table(widths: Mapping[str, int]) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for title, width in widths.items():
        table.add_column(title, justify="right" if title == "#" else "left", no_wrap=True, width=width)
    return table


def _cells(row: Row, *, exact: bool) -> "dict[str, Text]":
    """Return a row's cells by the titles of their columns."""
    from rich.text import Text

    texts: dict[str, Any] = {
        "#": str(row["interactionNumber"]),
        "When (UTC)": terminal.moment(row["createdDate"])[: None if exact else 19],
        "Action": terminal.badge(row, "action"),
        "Type": terminal.badge(row, "resourceType"),
        "Resource": terminal.plain(row["resourceId"]),
        "User": terminal.plain(row.get("userId") or ""),
        "Origin": terminal.badge(row, "origin"),
        "Unit of work": row["uowId"],
        "Details": terminal.preview(row),
    }
    return {title: Text(text) if isinstance(text, str) else text for title, text in texts.items()}
