"""`provenance secrets`: keep, rotate, look at and delete secrets.

A value comes by stdin or a file, never as an option: others can see those in the process list.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provenance.cli.connection import ApiKey, ApiUrl, connected, settled
from provenance.cli.errors import Misused
from provenance.cli.terminal import as_json, print_json

if TYPE_CHECKING:
    from provenance_client import Client

PAGE = 200

secrets = typer.Typer(no_args_is_help=True, help="Secrets: values that steps work with and nobody sees.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The secret's id (sec_…).")]
File = Annotated[
    Path | None, typer.Option("--from-file", metavar="FILE", help="Read the value from a file; else from stdin.")
]
Days = Annotated[int | None, typer.Option("--every-days", metavar="N", help="Rotate every so many days.")]


def register(app: typer.Typer) -> None:
    """Add `secrets` to the command line."""
    app.add_typer(secrets, name="secrets")


def sent_value(path: Path | None) -> str:
    """Return a value from a file, a pipe or, unseen, from the keyboard; one line break at its end is none of it.

    Raises Misused when there is none.
    """
    if path is not None:
        text = path.read_text("utf-8")
    elif sys.stdin.isatty():
        text = str(typer.prompt("Value", hide_input=True, err=True))
    else:
        text = sys.stdin.read()
    text = text.removesuffix("\n")
    if not text:
        raise Misused("Send the value by stdin or with --from-file.")
    return text


def items(client: "Client", path: str, **params: Any) -> Iterator[dict[str, Any]]:
    """Yield every item of a list, page after page."""
    cursor = None
    while True:
        page = client.call("GET", path, params={**params, "limit": PAGE, "cursor": cursor}, at_root=True)
        yield from page["items"]
        cursor = page["nextCursor"]
        if cursor is None:
            return


@secrets.command("list")
def list_(
    type_: Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Only of this type.")] = None,
    due_before: Annotated[str | None, typer.Option("--due-before", metavar="TIME", help="To be rotated then.")] = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List secrets, newest first, as lines of JSON; no value is among them."""
    with connected(settled(api_url, api_key)) as client:
        for each in items(client, "/secrets", type=type_, dueBefore=due_before):
            typer.echo(as_json(each))


@secrets.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What steps call it.")],
    type_: Annotated[
        str, typer.Option("--type", metavar="TYPE", help="api_key, password, token, certificate, json or generic.")
    ] = "generic",
    from_file: File = None,
    generate: Annotated[bool, typer.Option("--generate", help="Make a random value, which nobody sees.")] = False,
    every_days: Days = None,
    description: Annotated[str | None, typer.Option("--description", metavar="TEXT", help="What it is for.")] = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Keep a secret and print its id.

    provenance secrets create stripe.key --type api_key < key.txt
    """
    mode = "generated" if generate else "interval" if every_days else "manual"
    rotation = {"mode": mode, **({"everyDays": every_days} if every_days else {})}
    body = {"name": name, "type": type_, "description": description, "rotation": rotation}
    if not generate:
        body["value"] = sent_value(from_file)
    with connected(settled(api_url, api_key)) as client:
        typer.echo(client.call("POST", "/secrets", json=body, at_root=True)["secretId"])


@secrets.command("get")
def get(secret_id: Id, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Print a secret's metadata and versions."""
    with connected(settled(api_url, api_key)) as client:
        print_json(client.call("GET", f"/secrets/{secret_id}", at_root=True))


@secrets.command("rotate")
def rotate(
    secret_id: Id,
    from_file: File = None,
    generate: Annotated[bool, typer.Option("--generate", help="Let the server make the value.")] = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Give a secret its next value; the one before stays good for its grace."""
    body = {} if generate else {"value": sent_value(from_file)}
    with connected(settled(api_url, api_key)) as client:
        print_json(client.call("POST", f"/secrets/{secret_id}/rotate", json=body, at_root=True))


@secrets.command("reveal")
def reveal(
    secret_id: Id,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is recorded.")],
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Print a value. Needs an administrator who signed in a moment ago: provenance login."""
    with connected(settled(api_url, api_key)) as client:
        found = client.call("POST", f"/secrets/{secret_id}/reveal", json={"reason": reason}, at_root=True)
    value = found["value"]
    typer.echo(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), nl=sys.stdout.isatty())


@secrets.command("delete")
def delete(secret_id: Id, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Delete a secret that nothing refers to; its values are destroyed after seven days."""
    with connected(settled(api_url, api_key)) as client:
        print_json(client.call("DELETE", f"/secrets/{secret_id}", at_root=True))
