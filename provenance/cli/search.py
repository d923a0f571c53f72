"""`provenance search`: find interactions, print them, follow new ones."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import typer

from provenance.cli import periods
from provenance.cli.connection import ApiKey, ApiUrl, connected, settled
from provenance.cli.errors import Misused

Words = list[str] | None


def register(app: typer.Typer) -> None:
    """Add `search` to the command line."""
    app.command()(search)


def search(
    resource: Annotated[
        str | None, typer.Option("-r", "--resource", metavar="ID", help="This resource; ID* finds a prefix.")
    ] = None,
    resource_type: Annotated[
        Words, typer.Option("-t", "--type", metavar="TYPE", help="Of this type (repeat: or).")
    ] = None,
    action: Annotated[Words, typer.Option("-a", "--action", metavar="ACTION", help="This action (repeat: or).")] = None,
    origin: Annotated[Words, typer.Option("-o", "--origin", metavar="ORIGIN", help="From here (repeat: or).")] = None,
    user: Annotated[str | None, typer.Option("-u", "--user", metavar="ID", help="Done by this user.")] = None,
    uow: Annotated[str | None, typer.Option("--uow", metavar="UUID", help="In this unit of work.")] = None,
    related: Annotated[
        str | None, typer.Option("--related", metavar="ID", help="Naming this as a related resource.")
    ] = None,
    platform: Annotated[
        Literal["only", "exclude"] | None,
        typer.Option("--platform", help="Only, or none, of what the platform itself did."),
    ] = None,
    last: Annotated[str | None, typer.Option("--last", metavar="30m|12h|7d", help="Of this last period.")] = None,
    from_: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Not before (ISO 8601, UTC).")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Not after (ISO 8601, UTC).")] = None,
    where: Annotated[
        str | None, typer.Option("--where", metavar="CEL", help="A condition: 'interaction.total > 100'.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, metavar="N", help="Print at most N.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print {data, pagination} as one JSON document.")] = False,
    ndjson: Annotated[bool, typer.Option("--ndjson", help="Print one JSON object per line.")] = False,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on printing new ones until Ctrl-C.")] = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Find interactions, newest first (with --follow oldest first).

    provenance search -r user-123
    """
    if as_json and (ndjson or follow):
        raise Misused("--json prints one document; use --ndjson for a stream, or leave out --follow.")
    start, end = periods.period(last, from_, to, datetime.now(UTC))
    if follow and end:
        raise Misused("--follow has no end; leave out --to.")
    filters: dict[str, Any] = {
        "resource_id": resource,
        "resource_type": resource_type,
        "action": action,
        "origin": origin,
        "user_id": user,
        "uow_id": uow,
        "related_resource_id": related,
        "platform": platform,
        "where": where,
    }
    connection = settled(api_url, api_key)
    with connected(connection) as client:
        if follow:
            from provenance.cli.follow import follow_rows

            follow_rows(client, filters, start=start, limit=limit, ndjson=ndjson)
        else:
            _print(
                client,
                {**filters, "start_date": start, "end_date": end},
                limit,
                as_json=as_json,
                ndjson=ndjson,
            )


def _print(client: Any, filters: dict[str, Any], limit: int, *, as_json: bool, ndjson: bool) -> None:
    from provenance.cli import listing, table, terminal

    rows: list[Any] = []
    pagination: dict[str, Any] = {}
    for page in listing.pages(client, filters, limit):
        pagination = dict(page["pagination"])
        rows += page["data"]
        if ndjson:
            for row in page["data"]:
                typer.echo(terminal.as_json(row))
    if as_json:
        terminal.print_json({"data": rows, "pagination": pagination})
    elif not ndjson:
        table.print_table(rows)
    listing.say_what_is_left(len(rows), pagination)
