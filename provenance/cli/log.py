"""`provenance log`: how far the verifiable log is, what was found in it, and what to do after a restore."""

from pathlib import Path
from typing import Annotated, Any

import typer

from provenance.cli.connection import ApiKey, ApiUrl, connected, settled
from provenance.cli.errors import Refused

AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]

PUBLISHED = {"off": "not published", "checkpoints": "signed heads", "all": "all of it"}

group = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group `log` to the command line."""
    app.add_typer(group, name="log", help="The verifiable log: status, findings, reopening after a restore.")


@group.command("status")
def status(as_json: AsJson = False, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Show how far the log is signed and checked; ends with 1 when something is wrong."""
    from provenance.cli import terminal

    with connected(settled(api_url, api_key)) as client:
        found: Any = client.call("GET", "/log/status")
    if as_json:
        terminal.print_json(found)
    else:
        for label, value in _lines(found):
            typer.echo(f"{label:<14} {terminal.plain(value)}")
    if found["halted"] or found["incidents"]:
        raise typer.Exit(1)


def _lines(found: Any) -> list[tuple[str, str]]:
    signed = f"{found['integratedSize']:,} of {found['size']:,} interactions"
    audited = found["lastSelfAudit"] or "not yet"
    if found["lastSelfAudit"]:
        audited += f", {found['selfAuditedSize']:,} interactions"
    cosigned = [] if found["cosignedSize"] is None else [("cosigned", f"{found['cosignedSize']:,} interactions")]
    return [
        ("log", found["origin"] or "nothing is signed yet"),
        ("signed", signed + (f", the last at {found['checkpointAt']}" if found["checkpointAt"] else "")),
        ("key", found["verifierKey"] or "-"),
        ("for outsiders", PUBLISHED[found["publicLog"]]),
        ("self-audit", audited),
        ("findings", str(found["incidents"]) if found["incidents"] else "none"),
        ("halted", found["halted"] or "no"),
        *cosigned,
        *(("witness", _witness(each)) for each in found["witnesses"]),
    ]


def _witness(found: Any) -> str:
    signed = f", {found['lastSize']:,} interactions at {found['lastAt']}" if found["lastAt"] else ""
    return f"{found['name']}: {found['state']}{signed}" + (f". {found['error']}" if found["error"] else "")


@group.command("incidents")
def incidents(
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="Most findings to show.")] = 50,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List what the self-audit found that is not as it was signed, newest first."""
    from provenance.cli import terminal

    with connected(settled(api_url, api_key)) as client:
        found: Any = client.call("GET", "/log/incidents", params={"limit": limit})
    if as_json:
        terminal.print_json(found)
        return
    for each in found["items"]:
        typer.echo(f"{each['foundAt']}  {terminal.plain(each['sentence'])}")
    if not found["items"]:
        terminal.say("Nothing was found.")


@group.command("reopen")
def reopen(
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record: which backup was restored, and when.")],
    workspace: Annotated[
        str | None, typer.Option("--workspace", metavar="WS_ID", help="Only this workspace; else every halted log.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", envvar="PROVENANCE_DATA_DIR", help="Folder of the installation.")
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(envvar=["DATABASE_URL", "PROVENANCE_DATABASE_URL"], help="Your own PostgreSQL, if you use one."),
    ] = None,
) -> None:
    """Begin new logs after you restored a backup; works on the database itself.

    The old log's proofs stay valid. The new one's first entry names the last head that was signed.
    """
    from provenance.cli.server import database, folder_of
    from provenance.core.keyring import KeyringError
    from provenance.core.settings import Settings
    from provenance.restored import UnknownWorkspace, reopen_logs

    with database(data, database_url) as url:
        try:
            origins = reopen_logs(Settings(data_dir=folder_of(data), database_url=url), reason, workspace)
        except (KeyringError, UnknownWorkspace) as error:
            raise Refused(str(error)) from error
    for origin in origins:
        typer.echo(f"begun: {origin}")
    if not origins:
        typer.echo("No log is halted; there is nothing to reopen.")
