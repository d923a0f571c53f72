"""`provenance triggers`: what starts a workflow by itself: look, switch on and off, make a webhook's secret."""

import sys
from typing import Annotated, Any

import typer

from provenance.cli.connection import ApiKey, ApiUrl, connected, settled
from provenance.cli.errors import Refused
from provenance.cli.people import AsJson, ask, show
from provenance.cli.workflows import Environment, Which, place_of

COLUMNS = {"Trigger": "type", "On": "enabled", "Listens to": "listensTo", "Next (UTC)": "nextAt"}

Type = Annotated[str, typer.Argument(metavar="TYPE", help="webhook, schedule or event.")]

group = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group `triggers` to the command line."""
    app.add_typer(group, name="triggers", help="What starts a workflow: webhook, schedule, event.")


@group.command("list")
def list_(
    workflow: Which,
    as_json: AsJson = False,
    environment: Environment = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Show the triggers of a workflow's live version, whether they are on, and what they listen to."""
    with connected(settled(api_url, api_key)) as client:
        found = ask(client, "GET", place_of(client, workflow, environment))["triggerSettings"]
    if as_json:
        from provenance.cli import terminal

        terminal.print_json(found)
        return
    show([_row(kind, found[kind]) for kind in ("webhook", "schedule", "event") if found[kind]], COLUMNS, as_json=False)


def _row(kind: str, settings: dict[str, Any]) -> dict[str, Any]:
    if kind == "webhook":
        said = settings["url"] + ("" if settings["secretSet"] else " (has no secret yet)")
    elif kind == "schedule":
        said = f"{settings['cron']} {settings['timezone']}"
    else:
        said = settings["topicPattern"] + (f" where {settings['filter']}" if settings["filter"] else "")
    return {"type": kind, "enabled": settings["enabled"], "listensTo": said, "nextAt": settings.get("nextAt")}


@group.command("on")
def on(
    workflow: Which, kind: Type, environment: Environment = None, api_url: ApiUrl = None, api_key: ApiKey = None
) -> None:
    """Let triggers of a type start runs; a schedule goes on from now."""
    _switch(workflow, kind, environment, api_url, api_key, enabled=True)


@group.command("off")
def off(
    workflow: Which, kind: Type, environment: Environment = None, api_url: ApiUrl = None, api_key: ApiKey = None
) -> None:
    """Keep triggers of a type from starting runs, until they are switched on again."""
    _switch(workflow, kind, environment, api_url, api_key, enabled=False)


def _switch(
    workflow: str, kind: str, environment: str | None, api_url: str | None, api_key: str | None, *, enabled: bool
) -> None:
    from provenance.cli import terminal

    if kind not in ("webhook", "schedule", "event"):
        raise Refused(f"There is no trigger {kind} to switch: webhook, schedule or event.")
    with connected(settled(api_url, api_key)) as client:
        body = {"triggerSettings": {kind: {"enabled": enabled}}}
        changed = ask(client, "PUT", place_of(client, workflow, environment), body)
    if changed["triggerSettings"][kind] is None:
        terminal.say(
            f"The live version of {changed['name']} has no {kind} trigger; the switch is kept for one that has."
        )
    else:
        terminal.say(f"The {kind} trigger of {changed['name']} is {'on' if enabled else 'off'}.")


@group.command("secret")
def secret(
    workflow: Which,
    own: Annotated[bool, typer.Option("--own", help="Take the sender's secret, from stdin.")] = False,
    grace: Annotated[
        int, typer.Option("--grace", min=0, max=10_080, metavar="MINUTES", help="How long the one before stays good.")
    ] = 1440,
    as_json: AsJson = False,
    environment: Environment = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Make the next secret of a workflow's webhook and print it, this once."""
    from provenance.cli import terminal

    body = {"secret": sys.stdin.read().strip()} if own else {}
    with connected(settled(api_url, api_key)) as client:
        place = place_of(client, workflow, environment)
        made: Any = client.call(
            "POST", f"{place}/webhook-secret/rotate", json=body, params={"graceMinutes": grace}, at_root=True
        )
    if as_json:
        terminal.print_json(made)
        return
    if not own:
        typer.echo(made["secret"])
    until = made["previousValidUntil"]
    terminal.say("It is shown this once." + (f" The one before is good until {until}." if until else ""))
