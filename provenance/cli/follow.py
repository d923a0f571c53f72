"""`search --follow`: print new interactions as they come, also across a server that goes and returns."""

import sys
import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from provenance.cli import listing, terminal
from provenance.cli.patience import Backoff, passes
from provenance.cli.terminal import Row

if TYPE_CHECKING:
    from provenance_client import Client

INTERVAL = 0.5
"""Seconds between two looks at the ledger."""

LONGEST_WAIT = 10.0
"""Most seconds between two tries while the server is away."""

SURE_SCAN = 10_000
"""New rows up to which one scan of the server surely reaches the last row seen: its budget is larger."""


def follow_rows(client: "Client", filters: dict[str, Any], *, start: datetime | None, limit: int, ndjson: bool) -> None:
    """Print the newest `limit` rows, oldest first, then every new one until interrupted.

    The interaction number is the position: it is gap-free, so what lies above the last number seen is
    exactly what is
    new. Raises ProvenanceError when the first look fails and when the server refuses; an absent server is
    waited for.
    """
    from provenance_client import ProvenanceError

    seen = _head(client)
    first = [row for page in listing.pages(client, {**filters, "start_date": start}, limit) for row in page["data"]]
    _print([row for row in reversed(first) if row["interactionNumber"] <= seen], ndjson=ndjson)
    backoff, away = Backoff(LONGEST_WAIT), False
    while True:
        time.sleep(INTERVAL)
        try:
            head = _head(client)
            fresh = _between(client, filters, seen, head) if head > seen else []
        except ProvenanceError as error:
            if not passes(error):
                raise
            if not away:
                terminal.say(f"{error.detail}; waiting for it …")
            away = True
            time.sleep(backoff.seconds(error))
            continue
        if away:
            terminal.say("The server is back.")
        away = False
        backoff.reset()
        _print([row for row in fresh if start is None or _moment(row) >= start], ndjson=ndjson)
        seen = head


def _head(client: "Client") -> int:
    """Return the highest interaction number of the workspace, 0 when it is empty."""
    data = client.interactions.list(limit=1)["data"]
    return data[0]["interactionNumber"] if data else 0


def _between(client: "Client", filters: dict[str, Any], seen: int, head: int) -> list[Row]:
    """Return the matching rows with numbers above `seen` up to `head`, oldest first."""
    found: list[Row] = []
    for page in listing.pages(client, filters, limit=sys.maxsize):
        found += [row for row in page["data"] if seen < row["interactionNumber"] <= head]
        reached = any(row["interactionNumber"] <= seen for row in page["data"])
        # A condition without an index may match nothing for very long: do not search the whole ledger at
        # each look.
        scanned = page["pagination"].get("scanComplete") is False and head - seen <= SURE_SCAN
        if reached or scanned:
            break
    return found[::-1]


def _moment(row: Row) -> datetime:
    return datetime.fromisoformat(row["createdDate"])


def _print(rows: Sequence[Row], *, ndjson: bool) -> None:
    for row in rows:
        if ndjson:
            typer.echo(terminal.as_json(row))
        else:
            terminal.print_line(row)
    sys.stdout.flush()
