"""`provenance connections`: credentials for outside services. They come by stdin or a file, never as an option."""

import json
import time
from typing import Annotated, Any

import typer

from provenance.cli.connection import ApiKey, ApiUrl, connected, settled
from provenance.cli.errors import Misused, Refused
from provenance.cli.secrets import File, items, sent_value
from provenance.cli.terminal import as_json, print_json, say

POLL_SECONDS = 1.0
WAIT_SECONDS = 600

connections = typer.Typer(no_args_is_help=True, help="Connections: how steps reach outside services.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The connection's id (conn_…).")]


def register(app: typer.Typer) -> None:
    """Add `connections` to the command line."""
    app.add_typer(connections, name="connections")


@connections.command("list")
def list_(
    integration: Annotated[str | None, typer.Option("--integration", metavar="NAME", help="Only of this one.")] = None,
    status: Annotated[str | None, typer.Option("--status", metavar="STATUS", help="Only with this status.")] = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List connections, newest first, as lines of JSON; no credential is among them."""
    with connected(settled(api_url, api_key)) as client:
        for each in items(client, "/connections", integration=integration, status=status):
            typer.echo(as_json(each))


@connections.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people call it.")],
    integration: Annotated[str, typer.Argument(metavar="INTEGRATION", help="slack, github, … or http.")],
    auth_type: Annotated[
        str, typer.Option("--auth-type", metavar="TYPE", help="oauth2, api_key or service_account.")
    ] = "oauth2",
    config: Annotated[str, typer.Option("--config", metavar="JSON", help='Such as {"subdomain": "acme"}.')] = "{}",
    from_file: File = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Make a connection and print its id. Except for oauth2, the credential (a text or JSON) is read from stdin.

    provenance connections create pager pagerduty --auth-type api_key < key.txt
    """
    body: dict[str, Any] = {"name": name, "integration": integration, "authType": auth_type, "config": _object(config)}
    if auth_type != "oauth2" or from_file is not None:
        body["credential"] = _credential(sent_value(from_file))
    with connected(settled(api_url, api_key)) as client:
        typer.echo(client.call("POST", "/connections", json=body, at_root=True)["connectionId"])


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Misused(f"the config is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Misused("the config is not a JSON object")
    return found


def _credential(text: str) -> str | dict[str, Any]:
    """Return a credential: an object when it is one, else the text itself."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, dict) else text


@connections.command("get")
def get(connection_id: Id, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Print a connection."""
    with connected(settled(api_url, api_key)) as client:
        print_json(client.call("GET", f"/connections/{connection_id}", at_root=True))


@connections.command("authorize")
def authorize(
    connection_id: Id,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is done.")] = True,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Print the address at which a person authorises the connection, and wait until that is done."""
    with connected(settled(api_url, api_key)) as client:
        path = f"/connections/{connection_id}"
        before = client.call("GET", path, at_root=True)["updatedAt"]
        begun = client.call("POST", f"{path}/authorize", json={}, at_root=True)
        typer.echo(begun["authorizationUrl"])
        if not wait:
            return
        say("Open this address in a browser. Waiting …")
        until = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < until:
            found = client.call("GET", path, at_root=True)
            if found["status"] == "active" and found["updatedAt"] != before:
                say(f"{found['name']} is authorised.")
                return
            time.sleep(POLL_SECONDS)
    raise Refused("nobody authorised the connection in time")


@connections.command("test")
def try_(connection_id: Id, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Try a connection with a call that changes nothing; exit 1 when it fails."""
    with connected(settled(api_url, api_key)) as client:
        found = client.call("POST", f"/connections/{connection_id}/test", json={}, at_root=True)
    print_json(found)
    if not found["ok"]:
        raise Refused(str(found["error"]))


@connections.command("pause")
def pause(connection_id: Id, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Hold a connection: nothing uses it until it is resumed."""
    _set_status(connection_id, "paused", api_url, api_key)


@connections.command("resume")
def resume(connection_id: Id, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Use a paused connection again."""
    _set_status(connection_id, "active", api_url, api_key)


def _set_status(connection_id: str, status: str, api_url: str | None, api_key: str | None) -> None:
    with connected(settled(api_url, api_key)) as client:
        found = client.call("PATCH", f"/connections/{connection_id}", json={"status": status}, at_root=True)
    say(f"{found['name']} is {found['status']}.")


@connections.command("delete")
def delete(connection_id: Id, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Delete a connection that nothing works with; its provider is asked to forget what it gave out."""
    with connected(settled(api_url, api_key)) as client:
        client.call("DELETE", f"/connections/{connection_id}", at_root=True)
    say(f"{connection_id} is deleted.")
