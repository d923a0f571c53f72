"""What commands share that act as a signed-in person: the client, whole lists, and how they are shown."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provenance.cli.connection import connected
from provenance.cli.errors import Refused
from provenance.cli.sessions import token_for
from provenance.cli.settings import resolve

if TYPE_CHECKING:
    from provenance_client import Client

AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
PAGE = 200


@contextmanager
def signed_in(api_url: str | None) -> Iterator["Client"]:
    """Open a client that acts as who is signed in: no key may do what these commands do. Raises Refused."""
    connection = resolve(api_url)
    token = token_for(connection.api_url)
    if token is None:
        raise Refused(f"Nobody is signed in to {connection.api_url}. Sign in with: provenance login")
    with connected(replace(connection, token=token)) as client:
        yield client


def ask(client: "Client", method: str, path: str, body: Any = None) -> Any:
    """Call a route at the host's root and return its answer."""
    return client.call(method, path, json=body, at_root=True)


def at(path: str, wire_id: str) -> str:
    """Return the path of one thing of a list, whatever was typed as its id."""
    from provenance_client.api.request import segment

    return f"{path}/{segment(wire_id)}"


def everything(client: "Client", path: str) -> list[Any]:
    """Return all items of a list, page after page."""
    items: list[Any] = []
    cursor: str | None = None
    while True:
        found: Any = client.call("GET", path, params={"limit": PAGE, "cursor": cursor}, at_root=True)
        items += found["items"]
        cursor = found.get("nextCursor")
        if not cursor:
            return items


def show(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, as_json: bool) -> None:
    """Print rows as a table of these columns (title → member), or as JSON."""
    from rich import box
    from rich.table import Table

    from provenance.cli import terminal

    if as_json:
        terminal.print_json(list(rows))
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for title in columns:
        table.add_column(title, no_wrap=True)
    for row in rows:
        table.add_row(*(terminal.plain(_cell(row[member])) for member in columns.values()))
    terminal.console().print(table)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(str(each) for each in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)
