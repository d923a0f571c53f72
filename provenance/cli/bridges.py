"""`provenance bus bridges`: the rules by which messages go over to NATS JetStream and come from it."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from provenance.cli.connection import ApiKey, ApiUrl, connected, settled
from provenance.cli.errors import Misused
from provenance.cli.people import AsJson, ask, at, everything, show

BRIDGES = "/api/bus/bridges"
BRIDGE = {
    "Bridge": "bridgeId",
    "Name": "name",
    "Direction": "direction",
    "Status": "status",
    "Connected": "connected",
    "Lag": "lag",
    "Passed": "passed",
    "Dead": "deadLettered",
    "Said last": "said",
}
DEAD_LETTER = {"Dead letter": "deadLetterId", "Subject": "subject", "Since": "at", "Why": "said"}
WRITABLE = ("name", "direction", "server", "stream", "consume", "publish")

BridgeId = Annotated[str, typer.Argument(metavar="BRIDGE_ID", help="From `bus bridges list`.")]

group = typer.Typer(no_args_is_help=True)


@group.command("list")
def list_(as_json: AsJson = False, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """List the workspace's bridges and how each is doing."""
    with connected(settled(api_url, api_key)) as client:
        found = everything(client, BRIDGES)
    show(found if as_json else [{**each, **each["standing"]} for each in found], BRIDGE, as_json=as_json)


@group.command("show")
def show_(bridge_id: BridgeId, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Print one bridge as JSON: its rule, and how it is doing."""
    from provenance.cli import terminal

    with connected(settled(api_url, api_key)) as client:
        terminal.print_json(ask(client, "GET", at(BRIDGES, bridge_id)))


@group.command("add")
def add(
    body: Annotated[str, typer.Argument(metavar="FILE", help="The rule, a JSON file; - reads stdin.")],
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Make a bridge; a worker connects within a second or two."""
    from provenance.cli import terminal

    wanted = _read(body)
    with connected(settled(api_url, api_key)) as client:
        made = ask(client, "POST", BRIDGES, wanted)
    if as_json:
        terminal.print_json(made)
    else:
        terminal.say(f"{made['bridgeId']} ({made['name']}) is set up.")


@group.command("rm")
def rm(bridge_id: BridgeId, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Delete a bridge with its dead letters; the durable consumer at the servers stays."""
    from provenance.cli import terminal

    with connected(settled(api_url, api_key)) as client:
        ask(client, "DELETE", at(BRIDGES, bridge_id))
    terminal.say(f"{bridge_id} is deleted.")


@group.command("pause")
def pause(bridge_id: BridgeId, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Let nothing go over for a while; what waits stays where it is."""
    _set_status(bridge_id, "paused", api_url, api_key)


@group.command("resume")
def resume(bridge_id: BridgeId, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Let a bridge go on where it was; one that failed is tried at once."""
    _set_status(bridge_id, "active", api_url, api_key)


@group.command("replay")
def replay(
    bridge_id: BridgeId,
    from_number: Annotated[int, typer.Option("--from", metavar="NUMBER", min=1, help="The first number to repeat.")],
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Send again from a number of the ledger on; one ahead passes by what lies between."""
    from provenance.cli import terminal

    with connected(settled(api_url, api_key)) as client:
        ask(client, "POST", f"{at(BRIDGES, bridge_id)}/replay", {"fromNumber": from_number})
    terminal.say(f"{bridge_id} goes on from number {from_number}.")


@group.command("dead-letters")
def dead_letters(bridge_id: BridgeId, as_json: AsJson = False, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """List what could not go over, newest first, and why."""
    with connected(settled(api_url, api_key)) as client:
        found = everything(client, f"{at(BRIDGES, bridge_id)}/dead-letters")
    show(found, DEAD_LETTER, as_json=as_json)


@group.command("redrive")
def redrive(
    bridge_id: BridgeId,
    dead_letter_id: Annotated[str, typer.Argument(metavar="DEAD_LETTER_ID", help="Such as bdl_….")],
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Publish a dead letter by the rule and the schemas of now."""
    from provenance.cli import terminal

    with connected(settled(api_url, api_key)) as client:
        found = ask(client, "POST", f"{at(BRIDGES, bridge_id)}/dead-letters/{dead_letter_id}/redrive")
    terminal.say(f"{dead_letter_id} is published as {found['msgId']}.")


def _set_status(bridge_id: str, status: str, api_url: str | None, api_key: str | None) -> None:
    from provenance.cli import terminal

    with connected(settled(api_url, api_key)) as client:
        found: dict[str, Any] = ask(client, "GET", at(BRIDGES, bridge_id))
        wanted = {name: found[name] for name in WRITABLE}
        ask(client, "PUT", at(BRIDGES, bridge_id), {**wanted, "status": status})
    terminal.say(f"{bridge_id} is {status}.")


def _read(path: str) -> Any:
    try:
        return json.loads(sys.stdin.read() if path == "-" else Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Misused(f"{path} can't be read: {error}") from None
