"""`provenance login`, `logout`, `whoami`: act as oneself instead of by a key."""

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provenance.cli.connection import ApiUrl
from provenance.cli.errors import Refused, from_client
from provenance.cli.sessions import load, save, token_for
from provenance.cli.settings import resolve

if TYPE_CHECKING:
    from provenance_client import Client


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (login, logout, whoami, approve_device):
        app.command()(command)


def login(
    api_url: ApiUrl = None,
    email: Annotated[str | None, typer.Option("--email", help="The account; without it, it is asked for.")] = None,
    device: Annotated[bool, typer.Option("--device", help="Approve it elsewhere; no password here.")] = False,
    workspace: Annotated[str | None, typer.Option("--workspace", help="Workspace to enter (ws_…).")] = None,
) -> None:
    """Sign in. The session is kept for this person alone and renews itself."""
    from provenance_client import Client, ProvenanceError

    url = resolve(api_url).api_url
    try:
        with Client(api_url=url, token="") as client:
            answer = _by_device(client) if device else _by_password(client, email, workspace)
    except ProvenanceError as error:
        raise from_client(error) from error
    save(url, answer)
    typer.echo(f"signed in to {answer['workspace']['slug']} as {answer['user']['email']}", err=True)


def logout(api_url: ApiUrl = None) -> None:
    """Sign out: the session ends on the server and is forgotten here."""
    from provenance_client import Client, ProvenanceError

    url = resolve(api_url).api_url
    session = load(url)
    if session is None:
        raise Refused(f"nobody is signed in to {url}")
    save(url, None)
    try:
        with Client(api_url=url, token="") as client:
            body = {"refreshToken": session["refreshToken"]}
            client.call("POST", "/auth/logout", json=body, at_root=True)
    except ProvenanceError as error:
        raise from_client(error) from error
    typer.echo("signed out", err=True)


def whoami(api_url: ApiUrl = None) -> None:
    """Print who is signed in, where, and with which role."""
    from provenance_client import Client, ProvenanceError

    url = resolve(api_url).api_url
    token = token_for(url)
    if token is None:
        raise Refused(f"nobody is signed in to {url}; sign in with: provenance login")
    try:
        with Client(api_url=url, token=token) as client:
            found = client.call("GET", "/auth/session", at_root=True)
    except ProvenanceError as error:
        raise from_client(error) from error
    user, place = found["user"], found["workspace"]
    typer.echo(f"{user['userId']}\t{user['email']}\t{place['slug']}\t{found['role']}")


def approve_device(
    code: Annotated[str, typer.Argument(help="The code that the device shows.")],
    api_url: ApiUrl = None,
    deny: Annotated[bool, typer.Option("--deny", help="Send the device away instead.")] = False,
) -> None:
    """Let the device that shows a code act as you, in the workspace you are signed in to."""
    from provenance_client import Client, ProvenanceError

    url = resolve(api_url).api_url
    token = token_for(url)
    if token is None:
        raise Refused(f"nobody is signed in to {url}; sign in with: provenance login")
    try:
        with Client(api_url=url, token=token) as client:
            path = "/auth/device/deny" if deny else "/auth/device/approve"
            decided = client.call("POST", path, json={"userCode": code}, at_root=True)
    except ProvenanceError as error:
        raise from_client(error) from error
    typer.echo(f"{'denied' if deny else 'approved'}: {decided['clientName']}", err=True)


def _by_password(client: "Client", email: str | None, workspace: str | None) -> Any:
    from provenance_client import ProvenanceError

    asked = {"email": email or _typed("e-mail"), "password": _typed("password", hide=True)}
    body = asked if workspace is None else {**asked, "workspaceId": workspace}
    try:
        return client.call("POST", "/auth/login", json=body, at_root=True)
    except ProvenanceError as error:
        if error.code != "otp_required":
            raise
    return client.call("POST", "/auth/login", json={**body, "otp": _typed("one-time code")}, at_root=True)


def _typed(what: str, *, hide: bool = False) -> str:
    """Return what a person types, or the next line that a script pipes in."""
    if sys.stdin.isatty():
        return str(typer.prompt(what, hide_input=hide, err=True))
    return sys.stdin.readline().rstrip("\n")


def _by_device(client: "Client") -> Any:
    from provenance_client import ProvenanceError

    begun = client.call("POST", "/auth/device/code", json={"clientName": "provenance"}, at_root=True)
    typer.echo(f"Where you are signed in, run: provenance approve-device {begun['userCode']}", err=True)
    pause, until = begun["interval"], time.monotonic() + begun["expiresIn"]
    while time.monotonic() < until:
        time.sleep(pause)
        try:
            body = {"deviceCode": begun["deviceCode"]}
            return client.call("POST", "/auth/device/token", json=body, at_root=True)
        except ProvenanceError as error:
            if error.code not in ("slow_down", "authorization_pending"):
                raise
            pause += 5 if error.code == "slow_down" else 0
    raise Refused("nobody approved the code in time")
