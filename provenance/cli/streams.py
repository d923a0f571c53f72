"""`provenance streams`: where the audit goes besides: SIEMs, collectors, object stores, webhooks."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from provenance.cli.connection import ApiUrl
from provenance.cli.errors import Misused, Refused
from provenance.cli.people import AsJson, ask, at, everything, show, signed_in

PATH = "/audit/streams"
COLUMNS = {
    "Stream": "streamId",
    "Name": "name",
    "Kind": "kind",
    "State": "state",
    "Acknowledged": "acknowledgedSeq",
    "To go": "lagRows",
    "Lag s": "lagSeconds",
    "Said last": "said",
}

StreamId = Annotated[str, typer.Argument(metavar="STREAM_ID", help="Such as strm_…, from `streams list`.")]
Body = Annotated[str, typer.Argument(metavar="FILE", help="A JSON file; - reads stdin, so that no secret is typed.")]

group = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group `streams` to the command line."""
    app.add_typer(group, name="streams", help="Where the audit goes besides: list, create, test, pause, replay.")


@group.command("list")
def list_(as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """List the workspace's streams and how far each is."""
    with signed_in(api_url) as client:
        found = everything(client, PATH)
    show(found if as_json else [_row(each) for each in found], COLUMNS, as_json=as_json)


@group.command("show")
def show_(stream_id: StreamId, api_url: ApiUrl = None) -> None:
    """Print one stream as JSON: its target without secrets, its filter, how far it is."""
    from provenance.cli import terminal

    with signed_in(api_url) as client:
        terminal.print_json(ask(client, "GET", at(PATH, stream_id)))


@group.command("create")
def create(body: Body, as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """Set a stream up: a file with name, target and, if wanted, filter, paused and fromSeq."""
    wanted = _read(body)
    with signed_in(api_url) as client:
        made = ask(client, "POST", PATH, wanted)
    _done(made, "is set up", as_json=as_json)


@group.command("update")
def update(stream_id: StreamId, body: Body, as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """Change a stream: a file with what is to be different."""
    wanted = _read(body)
    with signed_in(api_url) as client:
        made = ask(client, "PATCH", at(PATH, stream_id), wanted)
    _done(made, "is changed", as_json=as_json)


@group.command("test")
def try_out(stream_id: StreamId, api_url: ApiUrl = None) -> None:
    """Send one event that says it is a test, and print what came back; exit 1 when it was not taken."""
    from provenance.cli import terminal

    with signed_in(api_url) as client:
        found = ask(client, "POST", f"{at(PATH, stream_id)}/test")
    if not found["ok"]:
        raise Refused(found["said"])
    terminal.say(f"{found['said']} ({found['durationMs']} ms)")


@group.command("pause")
def pause(stream_id: StreamId, as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """Send nothing for now; the stream goes on where it was."""
    with signed_in(api_url) as client:
        _done(ask(client, "PATCH", at(PATH, stream_id), {"paused": True}), "is paused", as_json=as_json)


@group.command("resume")
def resume(stream_id: StreamId, as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """Go on where the stream was paused."""
    with signed_in(api_url) as client:
        _done(ask(client, "PATCH", at(PATH, stream_id), {"paused": False}), "goes on", as_json=as_json)


@group.command("replay")
def replay(
    stream_id: StreamId,
    from_seq: Annotated[int, typer.Option("--from", metavar="NUMBER", min=1, help="The first row to send again.")],
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Send again from a number on; one beyond what was acknowledged passes by what lies between."""
    with signed_in(api_url) as client:
        made = ask(client, "POST", f"{at(PATH, stream_id)}/replay", {"fromSeq": from_seq})
    _done(made, f"goes on from {from_seq}", as_json=as_json)


@group.command("delete")
def delete(stream_id: StreamId, api_url: ApiUrl = None) -> None:
    """Send nothing there any more, and forget the target with its secrets."""
    from provenance.cli import terminal

    with signed_in(api_url) as client:
        ask(client, "DELETE", at(PATH, stream_id))
    terminal.say(f"{stream_id} is deleted.")


def _read(name: str) -> Any:
    try:
        return json.loads(sys.stdin.read() if name == "-" else Path(name).read_text("utf-8"))
    except ValueError as error:
        raise Misused(f"{name} holds no JSON: {error}") from None


def _row(stream: dict[str, Any]) -> dict[str, Any]:
    return {**stream, **stream["standing"], "kind": stream["target"]["kind"]}


def _done(stream: dict[str, Any], what: str, *, as_json: bool) -> None:
    from provenance.cli import terminal

    if as_json:
        terminal.print_json(stream)
    else:
        terminal.say(f"{stream['streamId']} ({stream['name']}) {what}.")
