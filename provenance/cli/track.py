"""`provenance track`: record one interaction."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from provenance.cli.connection import ApiKey, ApiUrl, connected, settled
from provenance.cli.errors import Misused

if TYPE_CHECKING:
    from provenance.cli.terminal import Row


def register(app: typer.Typer) -> None:
    """Add `track` to the command line."""
    app.command()(track)


def track(
    resource: Annotated[str, typer.Option("-r", "--resource", metavar="ID", help="What it was done to: any id.")],
    resource_type: Annotated[str, typer.Option("-t", "--type", metavar="TYPE", help="The resource's type: USER.")],
    action: Annotated[str, typer.Option("-a", "--action", metavar="ACTION", help="What was done: CREATE.")],
    data: Annotated[
        str | None,
        typer.Option("-d", "--data", metavar="JSON|@FILE", help="Details: a JSON object, or a file of it."),
    ] = None,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the details from stdin.")] = False,
    origin: Annotated[str | None, typer.Option("-o", "--origin", metavar="ORIGIN", help="Where it came from.")] = None,
    user: Annotated[str | None, typer.Option("-u", "--user", metavar="ID", help="Who did it.")] = None,
    uow: Annotated[str | None, typer.Option("--uow", metavar="UUID", help="The unit of work it belongs to.")] = None,
    span: Annotated[
        str | None, typer.Option("--span", metavar="UUID", help="Its own span; repeating it records once.")
    ] = None,
    parent_span: Annotated[str | None, typer.Option("--parent-span", metavar="UUID", help="The span above it.")] = None,
    timestamp: Annotated[
        str | None,
        typer.Option("--timestamp", metavar="ISO8601", help="When it happened, with Z or an offset."),
    ] = None,
    external_reference: Annotated[
        str | None, typer.Option("--external-reference", metavar="REF", help="Its id in another system.")
    ] = None,
    outcome: Annotated[
        Literal["success", "failure", "denied", "unknown"] | None,
        typer.Option("--outcome", help="How it ended."),
    ] = None,
    idempotency_key: Annotated[
        str | None,
        typer.Option("--idempotency-key", metavar="KEY", help="Repeating it with this key records once."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the recorded interaction as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print the interaction's id alone.")] = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Record one interaction.

    provenance track -r user-123 -t USER -a CREATE -d '{"email":"user@example.com"}'
    """
    content = _content(data, stdin=stdin)
    connection = settled(api_url, api_key, origin)
    with connected(connection) as client:
        row = client.interactions.create(
            resource_id=resource,
            resource_type=resource_type,
            action=action,
            origin=connection.origin,
            interaction=content,
            user_id=user,
            uow_id=uow,
            span_id=span,
            parent_span_id=parent_span,
            timestamp=timestamp,
            external_reference=external_reference,
            outcome=outcome,
            idempotency_key=idempotency_key,
        )
    _show(row, as_json=as_json, quiet=quiet)


def _content(data: str | None, *, stdin: bool) -> dict[str, Any] | None:
    """Return the details as a JSON object, from the option, a file (`@path`, `@-`) or stdin.

    Raises Misused.
    """
    from provenance.cli import strict_json

    if stdin and data is not None:
        raise Misused("Give the details once: either -d or --stdin.")
    text = sys.stdin.buffer.read() if stdin or data == "@-" else _given(data)
    if text is None:
        return None
    source = "stdin" if stdin or data == "@-" else "-d"
    try:
        content = strict_json.parse(text)
    except ValueError as error:
        raise Misused(
            f'{source}: the details are not JSON: {error}\nWrite them as -d \'{{"key": "value"}}\'.'
        ) from error
    if not isinstance(content, dict):
        raise Misused(f'{source}: the details must be a JSON object, like {{"key": "value"}}.')
    return content


def _given(data: str | None) -> str | bytes | None:
    if data is None or not data.startswith("@"):
        return data
    try:
        return Path(data[1:]).read_bytes()
    except OSError as error:
        raise Misused(f"Cannot read {data[1:]}: {error.strerror}") from error


def _show(row: "Row", *, as_json: bool, quiet: bool) -> None:
    from provenance.cli import terminal

    if quiet:
        typer.echo(row["interactionId"])
    elif as_json:
        terminal.print_json(row)
    else:
        terminal.print_recorded(row)
