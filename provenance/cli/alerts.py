"""`provenance alerts`: rules over what is recorded, who of them fires, and what they would have found."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from provenance.cli import periods
from provenance.cli.connection import ApiKey, ApiUrl, connected, settled
from provenance.cli.errors import Misused, Refused
from provenance.cli.people import AsJson, show

if TYPE_CHECKING:
    from provenance_client import Client

PATH = "/alerts"
PAGE = 100
RULE = ("where", "filter", "groupBy", "window", "recoverAfterSeconds", "maxGroups")
COLUMNS = {
    "Alert": "alertId",
    "Name": "name",
    "Severity": "severity",
    "Kind": "kind",
    "State": "state",
    "Firing": "firing",
    "Groups": "groups",
    "Silenced until": "silencedUntil",
}
FIRED = {"Fired": "firedAt", "Recovered": "recoveredAt", "Group": "group", "Count": "count", "Evidence": "rows"}

Words = list[str] | None
Which = Annotated[str, typer.Argument(metavar="ALERT", help="Its id, alrt_…, or its name.")]

group = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group `alerts` to the command line."""
    app.add_typer(group, name="alerts", help="Be told of what is recorded: list, show, add, rm, preview, silence.")


@group.command("list")
def list_(as_json: AsJson = False, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """List the workspace's alerts and how each stands."""
    with connected(settled(api_url, api_key)) as client:
        found = _everything(client)
    show(found if as_json else [{**each, "kind": each["window"]["kind"]} for each in found], COLUMNS, as_json=as_json)


@group.command("show")
def show_(which: Which, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Print one alert as JSON: the rule, what went wrong with it last, and its groups."""
    from provenance.cli import terminal

    with connected(settled(api_url, api_key)) as client:
        terminal.print_json(client.call("GET", _at(client, which)))


@group.command("add")
def add(
    file: Annotated[str | None, typer.Argument(metavar="[FILE]", help="A rule in YAML or JSON; - reads stdin.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="What it is called.")] = None,
    severity: Annotated[
        Literal["low", "medium", "high", "critical"] | None, typer.Option("--severity", help="Medium, if not given.")
    ] = None,
    resource_type: Annotated[Words, typer.Option("-t", "--type", metavar="TYPE", help="Of this type.")] = None,
    action: Annotated[Words, typer.Option("-a", "--action", metavar="ACTION", help="This action.")] = None,
    user: Annotated[Words, typer.Option("-u", "--user", metavar="ID", help="Done by this user.")] = None,
    origin: Annotated[Words, typer.Option("-o", "--origin", metavar="ORIGIN", help="From here.")] = None,
    where: Annotated[str | None, typer.Option("--where", metavar="CEL", help="A condition over the row.")] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="CEL", help="A window for each value: userId.")] = None,
    count: Annotated[int | None, typer.Option("--count", metavar="N", help="At least so many.")] = None,
    above: Annotated[float | None, typer.Option("--above", metavar="RATE", help="More than so many a minute.")] = None,
    below: Annotated[float | None, typer.Option("--below", metavar="RATE", help="Fewer than so many a minute.")] = None,
    absence: Annotated[bool, typer.Option("--absence", help="None at all.")] = False,
    sequence: Annotated[
        str | None, typer.Option("--sequence", metavar="CEL", help="A number is missing: interaction.seq.")
    ] = None,
    within: Annotated[str, typer.Option("--within", metavar="30s|10m|1d", help="The window's length.")] = "10m",
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Add an alert: from a file, by options, or a file whose members options replace.

    provenance alerts add --name "failed logins" -t ACCOUNT -a LOGIN --where "outcome == 'failure'" --by userId
    --count 5 --within 10m
    """
    from provenance.cli import terminal

    words = {"resourceType": resource_type, "action": action, "userId": user, "origin": origin}
    window = _window(_seconds(within), count=count, above=above, below=below, absence=absence, sequence=sequence)
    given = {
        "name": name,
        "severity": severity,
        "where": {member: each for member, each in words.items() if each} or None,
        "filter": where,
        "groupBy": by,
        "window": window,
    }
    body = {**({} if file is None else _read(file)), **{each: value for each, value in given.items() if value}}
    if not {"name", "window"} <= body.keys():
        raise Misused(
            "An alert needs a name and one of --count, --above, --below, --absence and --sequence, or a file."
        )
    with connected(settled(api_url, api_key)) as client:
        made: Any = client.call("POST", PATH, json=body)
    if as_json:
        terminal.print_json(made)
    else:
        terminal.say(f"{made['alertId']} ({made['name']}) listens from now on.")


@group.command("rm")
def rm(which: Which, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Delete an alert and what it remembers."""
    from provenance.cli import terminal

    with connected(settled(api_url, api_key)) as client:
        client.call("DELETE", _at(client, which))
    terminal.say(f"{which} is deleted.")


@group.command("preview")
def preview(
    what: Annotated[str, typer.Argument(metavar="FILE|ALERT", help="A rule in YAML or JSON, or an alert there is.")],
    hours: Annotated[int, typer.Option("--hours", min=1, max=168, help="How many of the last hours.")] = 24,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Say what a rule would have found in the last hours; nothing is kept and nobody is told."""
    from provenance.cli import terminal

    with connected(settled(api_url, api_key)) as client:
        rule = _read(what) if what == "-" or Path(what).is_file() else client.call("GET", _at(client, what))
        body = {member: rule[member] for member in RULE if rule.get(member) is not None}
        found: Any = client.call("POST", f"{PATH}/preview", json={**body, "hours": hours})
    if as_json:
        terminal.print_json(found)
        return
    show([{**each, "rows": _rows(each)} for each in found["firings"]], FIRED, as_json=False)
    for line in _remarks(found):
        terminal.say(line)


@group.command("silence")
def silence(
    which: Which,
    for_: Annotated[str | None, typer.Option("--for", metavar="30m|12h|7d", help="For how long.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Until when (ISO 8601, UTC).")] = None,
    end: Annotated[bool, typer.Option("--end", help="End a silence now.")] = False,
    group_id: Annotated[str | None, typer.Option("--group", metavar="ID", help="Of this group alone: agrp_….")] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; goes on record.")] = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Tell nothing of an alert, or of one group, for a while; what fires then is told when it ends."""
    from provenance.cli import terminal

    if sum((for_ is not None, until is not None, end)) != 1:
        raise Misused("Give one of --for, --until and --end.")
    moment = None
    if until is not None:
        moment = periods.moment("--until", until).isoformat()
    elif for_ is not None:
        moment = (datetime.now(UTC) + timedelta(seconds=_seconds(for_))).isoformat()
    body = {"until": moment, "groupId": group_id, "reason": reason}
    with connected(settled(api_url, api_key)) as client:
        client.call("POST", f"{_at(client, which)}/silence", json=body)
    terminal.say(f"{which} tells again." if end else f"{which} is silent until {moment}.")


def _window(within: int, **asked: Any) -> dict[str, Any] | None:
    """Return the window that the options ask for; None for none. Raises Misused for several."""
    given = {name: value for name, value in asked.items() if value is not None and value is not False}
    if len(given) > 1:
        raise Misused(f"Give one of {', '.join('--' + name for name in given)}.")
    made: dict[str, dict[str, Any]] = {
        "count": {"kind": "count", "atLeast": asked["count"]},
        "above": {"kind": "rate", "above": asked["above"]},
        "below": {"kind": "rate", "below": asked["below"]},
        "absence": {"kind": "absence"},
        "sequence": {"kind": "sequence", "number": asked["sequence"]},
    }
    return next(({**made[name], "withinSeconds": within} for name in given), None)


def _seconds(text: str) -> int:
    now = datetime.now(UTC)
    return int((now - periods.since(text, now)).total_seconds())


def _read(file: str) -> dict[str, Any]:
    """Read a rule. Raises Misused."""
    from provenance.core.yaml_text import BadYamlText, read

    try:
        found = read(sys.stdin.read() if file == "-" else Path(file).read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError, BadYamlText) as error:
        raise Misused(f"{file}: {error}") from None
    if not isinstance(found, dict):
        raise Misused(f"{file}: is no rule: an object was expected")
    return found


def _everything(client: "Client") -> list[Any]:
    found: list[Any] = []
    page = 1
    while True:
        answer: Any = client.call("GET", PATH, params={"page": page, "limit": PAGE})
        found += answer["data"]
        if not answer["pagination"]["hasNext"]:
            return found
        page += 1


def _at(client: "Client", which: str) -> str:
    """Return the path of an alert that is named by its id or its name. Raises Refused."""
    from provenance_client.api.request import segment

    if which.startswith("alrt_"):
        return f"{PATH}/{segment(which)}"
    named = [each["alertId"] for each in _everything(client) if each["name"] == which]
    if not named:
        raise Refused(f"No alert is named {which}.")
    return f"{PATH}/{named[0]}"


def _rows(fired: dict[str, Any]) -> str:
    return " ".join(str(each["interactionNumber"]) for each in fired["evidence"])


def _remarks(found: dict[str, Any]) -> list[str]:
    said = [f"{found['matched']:,} of {found['scanned']:,} rows match, from {found['from']} to {found['to']}."]
    if not found["complete"]:
        said.append("There are more rows than are tried: the earlier ones were left out.")
    if found["moreFirings"]:
        said.append(f"{found['moreFirings']:,} further firings are not listed.")
    if found["error"] is not None:
        said.append(f"{found['error']['count']:,} rows could not be judged: {found['error']['issue']}")
    return said
