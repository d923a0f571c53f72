"""Interactions as pages, followed to as many as were asked for."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from provenance.cli import terminal

if TYPE_CHECKING:
    from provenance_client import Client

PAGE = 500
"""Rows that the server gives at once; more are fetched by cursor."""


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


def say_what_is_left(shown: int, pagination: dict[str, Any]) -> None:
    """Tell on stderr that there is more than was asked for."""
    if not pagination.get("nextCursor"):
        return
    total = pagination.get("total") or 0
    counted = f" of {'more than ' if pagination.get('totalCapped') else ''}{total:,}" if total > shown else ""
    terminal.say(f"{shown}{counted} shown. Raise --limit to see more.")
