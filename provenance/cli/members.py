"""`provenance members`: the people of the workspace that one is signed in to."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provenance.cli.connection import ApiUrl
from provenance.cli.errors import Misused, Refused
from provenance.cli.people import AsJson, ask, at, everything, show, signed_in

if TYPE_CHECKING:
    from provenance_client import Client

PATH = "/workspace/members"
COLUMNS = {
    "Member": "userId",
    "E-mail": "email",
    "Name": "name",
    "Role": "role",
    "Groups": "groups",
    "Status": "status",
    "Last seen": "lastSeenAt",
    "2nd factor": "mfa",
}

Who = Annotated[str, typer.Argument(metavar="USER_ID", help="Such as user_…")]
Role = Annotated[str, typer.Option("--role", metavar="ROLE", help="viewer, editor or admin.")]
Groups = Annotated[list[str] | None, typer.Option("--group", metavar="GROUP", help="Such as approvers; repeat it.")]

group = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group `members` to the command line."""
    app.add_typer(group, name="members", help="People of the workspace: list, invite, update, remove, erase.")


@group.command("list")
def list_(as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """List the workspace's people, invited and erased ones among them."""
    with signed_in(api_url) as client:
        found = everything(client, PATH)
    show(found, COLUMNS, as_json=as_json)


@group.command("invite")
def invite(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Who is invited.")],
    role: Role = "viewer",
    groups: Groups = None,
    api_url: ApiUrl = None,
) -> None:
    """Invite somebody; prints the link to pass on where the server sends no mail."""
    from provenance.cli import terminal

    with signed_in(api_url) as client:
        made = ask(client, "POST", PATH, {"email": email, "role": role, "groups": groups or []})
    terminal.say(f"{made['userId']} is invited as {made['role']}.")
    if made["acceptUrl"]:
        typer.echo(made["acceptUrl"])


@group.command("update")
def update(
    user_id: Who,
    role: Annotated[str | None, typer.Option("--role", help="viewer, editor or admin; else it stays.")] = None,
    groups: Groups = None,
    no_groups: Annotated[bool, typer.Option("--no-groups", help="Take them out of every group.")] = False,
    api_url: ApiUrl = None,
) -> None:
    """Change a member's role or groups; what is not given stays."""
    from provenance.cli import terminal

    if groups and no_groups:
        raise Misused("Give --group or --no-groups, not both.")
    with signed_in(api_url) as client:
        now = _found(client, user_id)
        wanted = [] if no_groups else now["groups"] if groups is None else groups
        after = ask(client, "PUT", at(PATH, user_id), {"role": role or now["role"], "groups": wanted})
    terminal.say(f"{user_id} is {after['role']}" + (f" in {', '.join(after['groups'])}." if after["groups"] else "."))


@group.command("remove")
def remove(user_id: Who, api_url: ApiUrl = None) -> None:
    """Remove a member from the workspace, or withdraw an invitation."""
    from provenance.cli import terminal

    with signed_in(api_url) as client:
        ask(client, "DELETE", at(PATH, user_id))
    terminal.say(f"{user_id} is no member any more.")


@group.command("erase")
def erase(
    user_id: Who,
    reason: Annotated[str, typer.Option("--reason", help="Why; without names, for it is kept.")],
    confirm: Annotated[
        str | None, typer.Option("--confirm", metavar="USER_ID", help="The same id again; else it is asked for.")
    ] = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Destroy everything that leads to a person; their records stay, provable and nameless. There is no way back."""
    from provenance.cli import terminal

    if confirm is None and not sys.stdin.isatty():
        raise Misused("Give --confirm with the same id: nobody is there to be asked.")
    with signed_in(api_url) as client:
        typed = confirm or typer.prompt("There is no way back. Type the id to erase this person", err=True)
        done = ask(client, "POST", f"{at(PATH, user_id)}/erase", {"confirm": typed, "reason": reason})
    if as_json:
        terminal.print_json(done)
    else:
        terminal.say(f"{user_id} is erased; {done['eventsTombstoned']:,} records read {done['tombstone']} now.")


def _found(client: "Client", user_id: str) -> Any:
    """Return a member as the list shows them. Raises Refused."""
    for each in everything(client, PATH):
        if each["userId"] == user_id:
            return each
    raise Refused(f"{user_id} is no member of this workspace.")
