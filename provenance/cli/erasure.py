"""`provenance erase|hold|retention`: destroy content, keep it from being destroyed, say how long it stays."""

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provenance.cli.connection import ApiKey, ApiUrl, connected, settled
from provenance.cli.errors import Misused, Refused

if TYPE_CHECKING:
    from provenance_client import Client

POLL_SECONDS = 0.5

hold = typer.Typer(no_args_is_help=True, help="Legal holds: rows that nothing may erase.")
retention = typer.Typer(no_args_is_help=True, help="Retention: how long content stays.")

Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it stands in the certificate.")]
User = Annotated[str | None, typer.Option("-u", "--user", metavar="ID", help="Rows of this user.")]
Resource = Annotated[str | None, typer.Option("-r", "--resource", metavar="ID", help="Rows about this resource.")]
Filter = Annotated[
    str | None, typer.Option("--filter", metavar="JSON", help='Rows that a filter finds: {"where": "…"}.')
]


def register(app: typer.Typer) -> None:
    """Add `erase`, `hold` and `retention` to the command line."""
    app.command()(erase)
    app.add_typer(hold, name="hold")
    app.add_typer(retention, name="retention")


def erase(
    reason: Reason,
    user: User = None,
    resource: Resource = None,
    filter_: Filter = None,
    preview: Annotated[bool, typer.Option("--preview", help="Only count what would be erased.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Destroy the content of rows for good; their envelopes and proofs stay. Prints the signed certificate.

    provenance login; provenance erase --user user-123 --reason "asked for, ticket 815"
    """
    body = {name: value for name, value in _selector(user, resource, filter_).items() if value is not None}
    if len(body) != 1:
        raise Misused("Name one of --user, --resource and --filter.")
    with connected(settled(api_url, api_key)) as client:
        found = client.call("POST", "/erasures", json={**body, "reason": reason, "preview": True})
        _say_preview(found)
        if preview:
            return
        if not yes and not typer.confirm("Destroy their content? Nothing brings it back.", err=True):
            raise Refused("nothing was erased")
        asked = client.call("POST", "/erasures", json={**body, "reason": reason})
        typer.echo(_certificate(client, asked["erasureId"]), nl=False)


def _selector(user: str | None, resource: str | None, filter_: str | None) -> dict[str, Any]:
    return {"userId": user, "resourceId": resource, "filter": None if filter_ is None else _object(filter_)}


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Misused(f"the filter is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Misused("the filter is not a JSON object")
    return found


def _say_preview(found: dict[str, Any]) -> None:
    most = "at least " if found["capped"] else ""
    held = f"; {found['held']:,} under a legal hold" if found["held"] else ""
    typer.echo(f"{most}{found['rows']:,} rows with content{held}", err=True)


def _certificate(client: "Client", erasure_id: str) -> str:
    """Wait until an erasure is finished; return its certificate. Raises Refused when a hold stops it meanwhile."""
    from provenance_client.api.request import Request

    while True:
        found = client.call("GET", f"/erasures/{erasure_id}")
        if found["status"] == "held":
            raise Refused(f"a legal hold stopped the erasure {erasure_id} after {found['erased']:,} rows")
        if found["status"] == "finished":
            return client.transport.exchange(Request("GET", f"/erasures/{erasure_id}/certificate")).decode()
        time.sleep(POLL_SECONDS)


@hold.command("set")
def set_(
    reason: Reason,
    filter_: Annotated[str, typer.Option("--filter", metavar="JSON", help="Which rows; {} holds every one.")],
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="When it ends (ISO 8601).")] = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Set a hold and print its id."""
    body = {"reason": reason, "filter": _object(filter_)}
    if until is not None:
        body["endsAt"] = until
    with connected(settled(api_url, api_key)) as client:
        typer.echo(client.call("POST", "/legal-holds", json=body)["holdId"])


@hold.command("list")
def list_(api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """List holds, newest first, as lines of JSON."""
    with connected(settled(api_url, api_key)) as client:
        for each in client.call("GET", "/legal-holds", params={"limit": 500})["data"]:
            typer.echo(json.dumps(each, ensure_ascii=False))


@hold.command("lift")
def lift(
    hold_id: Annotated[str, typer.Argument(metavar="ID", help="The hold's id.")],
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Lift a hold."""
    with connected(settled(api_url, api_key)) as client:
        client.call("DELETE", f"/legal-holds/{hold_id}")
    typer.echo(f"{hold_id} lifted at {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", err=True)


@retention.command("show")
def show(api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Print the policies as JSON, the form that `set` takes."""
    with connected(settled(api_url, api_key)) as client:
        typer.echo(json.dumps(client.call("GET", "/retention-policies")["policies"], indent=2))


@retention.command("set")
def replace(
    policies: Annotated[
        str, typer.Argument(metavar="JSON", help='All policies: [{"resourceType": "ORDER", "days": 365}].')
    ],
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Put these policies in the place of all: [] keeps everything for ever."""
    try:
        wanted = json.loads(policies)
    except ValueError as error:
        raise Misused(f"the policies are not JSON: {error}") from error
    with connected(settled(api_url, api_key)) as client:
        client.call("PUT", "/retention-policies", json={"policies": wanted})
