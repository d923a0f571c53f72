"""`provenance export`: write interactions and what proves them to a file."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from provenance.cli import periods
from provenance.cli.connection import ApiKey, ApiUrl, connected, settled
from provenance.cli.errors import CommandFailed, Misused

if TYPE_CHECKING:
    from provenance.cli.exporting.download import Download
    from provenance.cli.exporting.manifests import Checked
    from provenance.cli.settings import Connection

Words = list[str] | None
Format = Literal["ndjson", "csv", "ocsf", "prov-json", "prov-n", "in-toto", "cloudevents"]

WAIT = 60.0
"""Seconds without progress that an export waits for a server that is away, unless told otherwise."""


def register(app: typer.Typer) -> None:
    """Add `export` to the command line."""
    app.command()(export)


def export(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The file to write.")],
    format: Annotated[Format | None, typer.Option("-f", "--format", help="How records are written.")] = None,
    proofs: Annotated[
        Literal["none", "reference", "inline"] | None,
        typer.Option("--proofs", help="Nothing, the leaf hash, or the whole proof with each record."),
    ] = None,
    resource: Annotated[Words, typer.Option("-r", "--resource", metavar="ID", help="Of this resource; ID*.")] = None,
    resource_type: Annotated[Words, typer.Option("-t", "--type", metavar="TYPE", help="Of this type.")] = None,
    action: Annotated[Words, typer.Option("-a", "--action", metavar="ACTION", help="This action.")] = None,
    origin: Annotated[Words, typer.Option("--origin", metavar="ORIGIN", help="From here.")] = None,
    user: Annotated[str | None, typer.Option("-u", "--user", metavar="ID", help="Done by this user.")] = None,
    uow: Annotated[str | None, typer.Option("--uow", metavar="UUID", help="In this unit of work.")] = None,
    related: Annotated[str | None, typer.Option("--related", metavar="ID", help="Naming this resource.")] = None,
    outcome: Annotated[
        Literal["success", "failure", "denied", "unknown"] | None, typer.Option("--outcome", help="With this outcome.")
    ] = None,
    platform: Annotated[
        Literal["only", "exclude"] | None, typer.Option("--platform", help="Only, or none, of the platform's own.")
    ] = None,
    last: Annotated[str | None, typer.Option("--last", metavar="30m|12h|7d", help="Of this last period.")] = None,
    from_: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Not before (ISO 8601, UTC).")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Not after (ISO 8601, UTC).")] = None,
    q: Annotated[str | None, typer.Option("-q", metavar="WORDS", help="Words in the free JSON.")] = None,
    where: Annotated[str | None, typer.Option("--where", metavar="CEL", help="A condition over the row.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="At most N records.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an earlier run of this file stopped.")] = False,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", help="Patience with a server that is away.")
    ] = WAIT,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Export interactions, oldest first, with what proves them. A break in the connection is gone on from.

    provenance export --format csv --last 30d -o october.csv
    """
    start, end = periods.period(last, from_, to, datetime.now(UTC))
    asked = {
        "proofs": proofs,
        "resource_id": resource,
        "resource_type": resource_type,
        "action": action,
        "origin": origin,
        "user_id": user,
        "uow_id": uow,
        "related_resource_id": related,
        "outcome": outcome,
        "platform": platform,
        "start_date": start,
        "end_date": end,
        "q": q,
        "where": where,
        "limit": limit,
    }
    connection = settled(api_url, api_key)
    download = _download(output, format, asked, connection, wait, resume=resume)
    _report(output, _fetched(download, connection), as_json=as_json)


def _download(
    output: Path, form: str | None, asked: dict[str, Any], connection: "Connection", wait: float, *, resume: bool
) -> "Download":
    """Return what is to be fetched: the unfinished download of an earlier run, or a new one."""
    from provenance.cli.exporting.download import Download, Request, resumed
    from provenance_client.api.request import query

    if output.is_dir() or not output.absolute().parent.is_dir():
        raise Misused(f"Cannot write {output}: no such file can be there.")
    earlier = resumed(output, wait) if resume else None
    if earlier is not None:
        if earlier.request.api_url != connection.api_url:
            raise Misused(f"{earlier.journal} is of another server, {earlier.request.api_url}.")
        return earlier
    form = form or _format_of(output)
    download = Download(output, Request(connection.api_url, list(query(format=form, **asked))), wait)
    download.begin()
    return download


def _format_of(output: Path) -> str:
    """Read the format off a file's name. Raises Misused."""
    from provenance.cli.exporting.manifests import EXTENSIONS

    fitting = [form for form, extension in EXTENSIONS.items() if output.name.endswith(extension)]
    if not fitting:
        raise Misused(f"Say how to write {output}: --format {'|'.join(EXTENSIONS)}.")
    return max(fitting, key=lambda form: len(EXTENSIONS[form]))


def _fetched(download: "Download", connection: "Connection") -> "Checked":
    """Fetch, check, and give the file its name."""
    from provenance.cli.exporting.manifests import check
    from provenance.cli.progress import Bar

    try:
        with Bar("Export", download.request.total) as bar, connected(connection) as client:
            download.run(client, bar)
    except (CommandFailed, KeyboardInterrupt):
        if download.journal.exists():
            typer.echo(f"Unfinished: {download.part}. The same command with --resume goes on there.", err=True)
        raise
    found = check(download.part, download.request.format, download.request.sha256)
    download.finish()
    return found


def _report(output: Path, found: "Checked", *, as_json: bool) -> None:
    from provenance.cli import terminal

    manifest = found.manifest
    if as_json:
        terminal.print_json({"file": str(output), "sha256": found.sha256, "manifest": manifest})
        return
    if manifest is None:
        typer.echo(f"{output}: one document, checked")
    else:
        head = f"the first {manifest['log']['treeSize']:,} of {terminal.plain(manifest['log']['origin'])}"
        typer.echo(f"{output}: {manifest['count']:,} records out of {head}, checked")
        if manifest["nextCursor"]:
            terminal.say("There are more. Raise --limit, or leave it out.")
    typer.echo(f"SHA-256 {found.sha256}")
