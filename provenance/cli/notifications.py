"""`provenance notifications`: read your inbox, and say of which events the workspace tells. Needs a sign-in."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from provenance.cli.connection import ApiUrl
from provenance.cli.errors import Misused
from provenance.cli.people import AsJson, ask, at, show, signed_in

INBOX, SETTINGS = "/api/notifications/inbox", "/workspace/notifications"
ENTRIES = {
    "Notification": "notificationId",
    "At": "at",
    "Event": "eventType",
    "Risk": "risk",
    "About": "objectId",
    "Title": "title",
    "Read": "readAt",
}
RULES = {"Rule": "rule", "Event": "event", "Channels": "channels", "Risk": "minRisk", "Environments": "environments"}

group = typer.Typer(no_args_is_help=True)
rules = typer.Typer(no_args_is_help=True)
group.add_typer(rules, name="rules", help="Of which events the workspace tells, and where: list, add, rm.")


def register(app: typer.Typer) -> None:
    """Add the group `notifications` to the command line."""
    app.add_typer(group, name="notifications", help="Your inbox, and the workspace's rules: inbox, read, rules.")


@group.command("inbox")
def inbox(
    unread: Annotated[bool, typer.Option("--unread", help="Only what you have not read.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="How many at most.")] = 50,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """List what you were told in this workspace, newest first."""
    params = {"limit": limit, "unread": "true" if unread else "false"}
    with signed_in(api_url) as client:
        found: Any = client.call("GET", INBOX, params=params, at_root=True)
    show(found["items"], ENTRIES, as_json=as_json)


@group.command("read")
def read(
    notification_id: Annotated[str | None, typer.Argument(metavar="NOTIFICATION_ID", help="Such as evt_…")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of your inbox.")] = False,
    api_url: ApiUrl = None,
) -> None:
    """Mark one notification as read, or all."""
    if (notification_id is None) != everything:
        raise Misused("Name one notification, or say --all.")
    with signed_in(api_url) as client:
        if notification_id is None:
            ask(client, "POST", f"{INBOX}/read", {})
        else:
            ask(client, "POST", f"{at(INBOX, notification_id)}/read")
    typer.echo("Read.")


@rules.command("list")
def list_(as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """List the rules with their numbers."""
    with signed_in(api_url) as client:
        found = ask(client, "GET", SETTINGS)["rules"]
    numbered = [{"rule": number, **each} for number, each in enumerate(found, 1)]
    show(numbered, RULES, as_json=as_json)


@rules.command("add")
def add(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="Such as run.failed.")],
    channels: Annotated[list[str], typer.Option("--channel", help="email, slack, webhook or inApp; may be repeated.")],
    min_risk: Annotated[str | None, typer.Option("--min-risk", metavar="RISK", help="This or a higher one.")] = None,
    environments: Annotated[list[str] | None, typer.Option("--environment", help="Only there; repeatable.")] = None,
    api_url: ApiUrl = None,
) -> None:
    """Tell of an event on channels that are set up."""
    rule: dict[str, Any] = {"event": event, "channels": channels}
    rule |= {"minRisk": min_risk} if min_risk else {}
    rule |= {"environments": environments} if environments else {}
    _change(api_url, lambda known: [*known, rule])
    typer.echo(f"{event} is told on {', '.join(channels)}.")


@rules.command("rm")
def remove(
    number: Annotated[int, typer.Argument(min=1, help="From `rules list`.")],
    api_url: ApiUrl = None,
) -> None:
    """Remove a rule by its number."""

    def without(known: list[Any]) -> list[Any]:
        if number > len(known):
            raise Misused(f"There are {len(known)} rules.")
        return [each for at_, each in enumerate(known, 1) if at_ != number]

    _change(api_url, without)
    typer.echo("Removed.")


def _change(api_url: str | None, change: Callable[[list[Any]], list[Any]]) -> None:
    """Put the settings back with other rules; the webhook's secret, which is never shown, stays."""
    with signed_in(api_url) as client:
        settings = ask(client, "GET", SETTINGS)
        webhook = settings["channels"]["webhook"]
        if webhook is not None:
            webhook.pop("hasSecret", None)
        ask(client, "PUT", SETTINGS, {**settings, "rules": change(settings["rules"])})
