"""One client for one command, and its refusals in the command's own words."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from provenance.cli.errors import Misused, from_client
from provenance.cli.sessions import token_for
from provenance.cli.settings import Connection, chosen, load_config, resolve

if TYPE_CHECKING:
    from provenance_client import Client

ApiUrl = Annotated[str | None, typer.Option("--api-url", metavar="URL", help="The server, e.g. http://host:7300/api.")]
ApiKey = Annotated[
    str | None,
    typer.Option("--api-key", metavar="KEY", help="The API key (others can see it in the process list)."),
]


def settled(api_url: str | None, api_key: str | None, origin: str | None = None) -> Connection:
    """Return the connection's settings, with a key or a sign-in. Raises Misused when there is none anywhere."""
    connection = resolve(api_url, api_key, origin)
    if chosen("api-key", api_key, load_config()) is None:
        connection = replace(connection, token=token_for(connection.api_url))
    if not (connection.api_key or connection.token):
        raise Misused(
            f"No API key for {connection.api_url}.\n"
            "Start a server here with `provenance up`, sign in with `provenance login`, or give a key: "
            "`provenance config set api-key pv_…`, PROVENANCE_API_KEY or --api-key."
        )
    return connection


@contextmanager
def connected(connection: Connection) -> Iterator["Client"]:
    """Open the client for a block of work.

    Its errors leave the block as Refused (exit 1) or ServerAway (exit 3).
    """
    from provenance_client import Client, ProvenanceError

    try:
        with Client(
            api_url=connection.api_url,
            api_key=connection.api_key,
            origin=connection.origin,
            token=connection.token,
        ) as client:
            yield client
    except ProvenanceError as error:
        raise from_client(error) from error
