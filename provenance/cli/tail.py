"""`provenance tail`: what happens, as it happens, across a server that goes and returns."""

import sys
from typing import Annotated, Any, Literal

import typer

from provenance.cli.connection import ApiKey, ApiUrl, connected, settled
from provenance.cli.terminal import Row

Words = list[str] | None


def register(app: typer.Typer) -> None:
    """Add `tail` to the command line."""
    app.command()(tail)


def tail(
    channels: Annotated[
        list[str] | None, typer.Argument(metavar="[CHANNEL]...", help="Such as runs, audit or uow:<id>.")
    ] = None,
    resource: Annotated[str | None, typer.Option("-r", "--resource", metavar="ID", help="This resource; ID*.")] = None,
    resource_type: Annotated[Words, typer.Option("-t", "--type", metavar="TYPE", help="Of this type.")] = None,
    action: Annotated[Words, typer.Option("-a", "--action", metavar="ACTION", help="This action.")] = None,
    origin: Annotated[Words, typer.Option("-o", "--origin", metavar="ORIGIN", help="From here.")] = None,
    user: Annotated[str | None, typer.Option("-u", "--user", metavar="ID", help="Done by this user.")] = None,
    outcome: Annotated[str | None, typer.Option("--outcome", metavar="OUTCOME", help="Such as failure.")] = None,
    platform: Annotated[
        Literal["only", "exclude"] | None, typer.Option("--platform", help="Only, or none, of the platform's own.")
    ] = None,
    where: Annotated[
        str | None, typer.Option("--where", metavar="CEL", help="A condition: 'interaction.total > 100'.")
    ] = None,
    sample: Annotated[
        float | None, typer.Option("--sample", min=0.0001, max=1, metavar="SHARE", help="Show this share of them.")
    ] = None,
    after: Annotated[int | None, typer.Option("--after", min=0, metavar="NUMBER", help="Go on after it.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, metavar="N", help="Stop after N.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each frame as one line of JSON.")] = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Print what happens as it happens, until Ctrl-C: interactions, or what the channels named tell.

    provenance tail -t ORDER --where 'interaction.total > 100'
    """
    filters: dict[str, Any] = {
        "resource_id": resource,
        "resource_type": resource_type,
        "action": action,
        "origin": origin,
        "user_id": user,
        "outcome": outcome,
        "platform": platform,
        "where": where,
    }
    given = {name: value for name, value in filters.items() if value}
    with connected(settled(api_url, api_key)) as client:
        frames = client.events(*(channels or ()), filters=given or None, sample=sample, last_seq=after)
        for told, frame in enumerate(frames, 1):
            _print(frame, as_json=as_json)
            if told == limit:
                return


def _print(frame: Row, *, as_json: bool) -> None:
    from provenance.cli import terminal

    if as_json:
        typer.echo(terminal.as_json(frame))
    else:
        number = "-" if frame.get("seq") is None else f"#{frame['seq']}"
        line = f"{terminal.moment(frame.get('at'))} {number} {frame['type']} {_said(frame)}"
        typer.echo(terminal.plain(line.strip()))
    sys.stdout.flush()


def _said(frame: Row) -> str:
    """Return what a frame says, on one line: an interaction as a sentence, anything else as its members."""
    data = frame["data"]
    if frame["type"] == "interaction":
        by = f" by {data['userId']}" if data["userId"] else ""
        about = f"{data['actionMnemonic']} {data['resourceTypeMnemonic']} {data['resourceId'] or '(hidden)'}"
        return f"{about} from {data['originMnemonic']}{by}"
    return " ".join(f"{name}={value}" for name, value in data.items() if value is not None)
