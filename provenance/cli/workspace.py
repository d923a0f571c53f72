"""`provenance workspace`: the workspace that one is signed in to, its environments, and the way to others."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from provenance.cli.connection import ApiUrl
from provenance.cli.errors import Refused
from provenance.cli.people import AsJson, ask, show, signed_in
from provenance.cli.sessions import load, save
from provenance.cli.settings import resolve

if TYPE_CHECKING:
    from provenance_client import Client

PATH = "/workspace"
ENVIRONMENTS = "/workspace/environments"
ENVIRONMENT_COLUMNS = {"Slug": "slug", "Name": "name", "Protected": "protected", "Description": "description"}
MEMBERSHIP_COLUMNS = {"Workspace": "workspaceId", "Slug": "slug", "Name": "name", "Role": "role", "Status": "status"}

group = typer.Typer(no_args_is_help=True)
environments = typer.Typer(no_args_is_help=True)
group.add_typer(environments, name="environments", help="Environments: list, add, remove.")


def register(app: typer.Typer) -> None:
    """Add the group `workspace` to the command line."""
    app.add_typer(group, name="workspace", help="The workspace: show, update, environments, list, create, switch.")


@group.command("show")
def show_(as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """Show the workspace and its settings."""
    with signed_in(api_url) as client:
        found = ask(client, "GET", PATH)
    _print(found, as_json=as_json)


@group.command("update")
def update(
    name: Annotated[str | None, typer.Option("--name", help="What people call it.")] = None,
    region: Annotated[str | None, typer.Option("--region", help="Its default region.")] = None,
    retention: Annotated[int | None, typer.Option("--retention-days", help="How long runs keep data, from 7.")] = None,
    self_approval: Annotated[
        bool | None, typer.Option("--self-approval/--no-self-approval", help="May a run's starter approve its steps?")
    ] = None,
    fresh: Annotated[
        int | None, typer.Option("--fresh-login-minutes", help="How recent a sign-in must be for sensitive acts.")
    ] = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Change settings of the workspace; what is not given stays."""
    given = {"name": name, "defaultRegion": region, "dataRetentionDays": retention}
    ours = {"selfApproval": self_approval, "requireFreshLoginMinutes": fresh}
    with signed_in(api_url) as client:
        now = ask(client, "GET", PATH)
        body = {member: now[member] if value is None else value for member, value in given.items()}
        body |= {member: value for member, value in ours.items() if value is not None}
        after = ask(client, "PUT", PATH, body)
    _print(after, as_json=as_json)


@group.command("list")
def list_(as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """List the workspaces that one belongs to."""
    with signed_in(api_url) as client:
        found = ask(client, "GET", "/auth/me")["memberships"]
    show(found, MEMBERSHIP_COLUMNS, as_json=as_json)


@group.command("create")
def create(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="Its short name, for ever.")],
    name: Annotated[str | None, typer.Option("--name", help="What people call it; the slug, if not given.")] = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Make one more workspace and administer it; enter it with `switch`."""
    with signed_in(api_url) as client:
        made = ask(client, "POST", "/workspaces", {"slug": slug, "name": name or slug})
    _print(made, as_json=as_json)


@group.command("switch")
def switch(
    wanted: Annotated[str, typer.Argument(metavar="WS_ID|SLUG", help="The workspace to go on in.")],
    api_url: ApiUrl = None,
) -> None:
    """Go on in another workspace that one belongs to."""
    from provenance.cli import terminal

    connection = resolve(api_url)
    with signed_in(api_url) as client:
        place = _membership(client, wanted)
        entered = ask(client, "POST", "/workspace/switch", {"workspaceId": place["workspaceId"]})
    session = load(connection.api_url) or {}
    shown = {"workspaceId": place["workspaceId"], "slug": place["slug"], "role": entered["role"]}
    save(connection.api_url, {**session, **entered, "workspace": shown})
    terminal.say(f"in {place['slug']} as {entered['role']}")


@environments.command("list")
def environments_list(as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """List the environments, in their order."""
    with signed_in(api_url) as client:
        found = ask(client, "GET", ENVIRONMENTS)["items"]
    show(found, ENVIRONMENT_COLUMNS, as_json=as_json)


@environments.command("add")
def environments_add(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="Such as qa.")],
    name: Annotated[str | None, typer.Option("--name", help="What people call it.")] = None,
    description: Annotated[str, typer.Option("--description", help="What it is for.")] = "",
    protected: Annotated[bool, typer.Option("--protected", help="Changes there ask for a confirmation.")] = False,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Add an environment at the end of the list."""
    made = {"slug": slug, "name": name or slug, "description": description, "protected": protected}
    with signed_in(api_url) as client:
        items = ask(client, "GET", ENVIRONMENTS)["items"]
        if any(each["slug"] == slug for each in items):
            raise Refused(f"There is an environment {slug} already.")
        after = ask(client, "PUT", ENVIRONMENTS, {"items": [*items, made]})["items"]
    show(after, ENVIRONMENT_COLUMNS, as_json=as_json)


@environments.command("remove")
def environments_remove(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="One that nothing lives in.")],
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Remove an environment; production stays, and so does one that is in use."""
    with signed_in(api_url) as client:
        items = ask(client, "GET", ENVIRONMENTS)["items"]
        kept = [each for each in items if each["slug"] != slug]
        if kept == items:
            raise Refused(f"There is no environment {slug}.")
        after = ask(client, "PUT", ENVIRONMENTS, {"items": kept})["items"]
    show(after, ENVIRONMENT_COLUMNS, as_json=as_json)


def _membership(client: "Client", wanted: str) -> Any:
    for each in ask(client, "GET", "/auth/me")["memberships"]:
        if wanted in (each["workspaceId"], each["slug"]):
            return each
    raise Refused(f"You do not belong to a workspace {wanted}.")


def _print(found: Any, *, as_json: bool) -> None:
    from provenance.cli import terminal

    if as_json:
        terminal.print_json(found)
        return
    for member, value in found.items():
        shown = terminal.as_json(value) if isinstance(value, dict | list) else value
        typer.echo(f"{member:<24} {terminal.plain(shown)}")
