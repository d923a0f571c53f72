"""`provenance keys`: the API keys of the workspace that one is signed in to."""

from typing import Annotated, Any

import typer

from provenance.cli.connection import ApiUrl
from provenance.cli.people import AsJson, ask, at, everything, show, signed_in

PATH = "/workspace/api-keys"
COLUMNS = {
    "Key": "keyId",
    "Name": "name",
    "Created": "createdAt",
    "Last used": "lastUsedAt",
    "Expires": "expiresAt",
    "Revoked": "revokedAt",
    "Scopes": "scopes",
}

group = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group `keys` to the command line."""
    app.add_typer(group, name="keys", help="API keys of the workspace: list, create, revoke.")


@group.command("list")
def list_(as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """List the workspace's keys, newest first, revoked ones among them."""
    with signed_in(api_url) as client:
        found = everything(client, PATH)
    show(found, COLUMNS, as_json=as_json)


@group.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is for.")],
    scopes: Annotated[list[str], typer.Option("--scope", metavar="SCOPE", help="Such as runs:write; repeat it.")],
    expires_at: Annotated[
        str | None, typer.Option("--expires", metavar="TIME", help="ISO 8601, e.g. 2027-01-31T00:00:00Z.")
    ] = None,
    networks: Annotated[
        list[str] | None, typer.Option("--from", metavar="NETWORK", help="Only from here, e.g. 10.0.0.0/8; repeat it.")
    ] = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Make a key and print it, this once."""
    from provenance.cli import terminal

    body: dict[str, Any] = {"name": name, "scopes": scopes, "expiresAt": expires_at, "ipAllowList": networks}
    with signed_in(api_url) as client:
        made = ask(client, "POST", PATH, {member: value for member, value in body.items() if value})
    if as_json:
        terminal.print_json(made)
        return
    typer.echo(made["key"])
    terminal.say(f"{made['keyId']}: keep the key safe, it is not shown again.")


@group.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="Such as key_…")], api_url: ApiUrl = None
) -> None:
    """Revoke a key, at once and for good."""
    from provenance.cli import terminal

    with signed_in(api_url) as client:
        gone = ask(client, "DELETE", at(PATH, key_id))
    terminal.say(f"{gone['keyId']} is revoked since {terminal.moment(gone['revokedAt'])} UTC.")
