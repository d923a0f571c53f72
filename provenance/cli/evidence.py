"""`provenance evidence`: put records and all that proves them in one zip."""

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from provenance.cli import periods
from provenance.cli.connection import ApiKey, ApiUrl, connected, settled
from provenance.cli.errors import Misused

if TYPE_CHECKING:
    from provenance_client import Client

Words = list[str] | None
PATIENCE = 10.0
"""Seconds that are waited until the log has signed the newest of the records."""

MAKING = 600.0
"""Seconds that are waited for the first byte of a pack: one of 100,000 records takes half a minute to write."""


def register(app: typer.Typer) -> None:
    """Add `evidence` to the command line."""
    app.command()(evidence)


def evidence(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The pack to write: pack.zip.")],
    uow: Annotated[str | None, typer.Option("--uow", metavar="UUID", help="Of this unit of work.")] = None,
    resource: Annotated[Words, typer.Option("-r", "--resource", metavar="ID", help="Of this resource; ID*.")] = None,
    resource_type: Annotated[Words, typer.Option("-t", "--type", metavar="TYPE", help="Of this type.")] = None,
    action: Annotated[Words, typer.Option("-a", "--action", metavar="ACTION", help="This action.")] = None,
    origin: Annotated[Words, typer.Option("--origin", metavar="ORIGIN", help="From here.")] = None,
    user: Annotated[str | None, typer.Option("-u", "--user", metavar="ID", help="Done by this user.")] = None,
    related: Annotated[str | None, typer.Option("--related", metavar="ID", help="Naming this resource.")] = None,
    platform: Annotated[
        Literal["only", "exclude"] | None, typer.Option("--platform", help="Only, or none, of the platform's own.")
    ] = None,
    last: Annotated[str | None, typer.Option("--last", metavar="30m|12h|7d", help="Of this last period.")] = None,
    from_: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Not before (ISO 8601, UTC).")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Not after (ISO 8601, UTC).")] = None,
    where: Annotated[str | None, typer.Option("--where", metavar="CEL", help="A condition over the row.")] = None,
    completeness: Annotated[
        bool,
        typer.Option(
            "--completeness/--no-completeness",
            help="Where one id alone is asked for: prove that these are all (may disclose the index key).",
        ),
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was gathered as JSON.")] = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Write an evidence pack: records, proofs, a report to read and a verifier, the same bytes each time.

    provenance evidence --uow 7b1f6a1e-… -o pack.zip
    """
    from provenance.cli.verifying.signed import until_signed

    start, end = periods.period(last, from_, to, datetime.now(UTC))
    asked = {
        "uowId": uow,
        "resourceId": resource,
        "resourceType": resource_type,
        "action": action,
        "origin": origin,
        "userId": user,
        "relatedResourceId": related,
        "platform": platform,
        "where": where,
        "startDate": None if start is None else start.isoformat(),
        "endDate": None if end is None else end.isoformat(),
    }
    filters = {name: value for name, value in asked.items() if value}
    if not filters:
        raise Misused("Say what the evidence is about: --uow, -r, -u, --where, --last …")
    asked_for = {"filters": filters, "completeness": completeness}
    with connected(settled(api_url, api_key)) as client:
        made, digest = until_signed(lambda: _gathered(client, asked_for, output), PATIENCE)
    _tell(made, output, digest, as_json=as_json)


def _gathered(client: "Client", asked_for: dict[str, Any], output: Path) -> tuple[Any, str]:
    """Ask for the evidence and save its pack: both, for an erasure makes it other evidence in between."""
    made: Any = client.call("POST", "/evidence", json=asked_for)
    return made, _save(client, made["id"], output)


def _save(client: "Client", evidence_id: str, output: Path) -> str:
    """Download the pack piece by piece into a file that takes its place when it is whole; return its SHA-256."""
    from provenance_client.api.request import Request

    request: Any = Request("GET", f"/evidence/{evidence_id}/download")
    draft, digest = output.with_name(f".{output.name}.part"), sha256()
    try:
        with (
            draft.open("wb") as file,
            client.transport.answering(request, silence=MAKING) as answer,
        ):
            for piece in answer.iter_bytes():
                digest.update(piece)
                file.write(piece)
        draft.replace(output)
    except OSError as error:
        raise Misused(f"Cannot write {output}: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
    return digest.hexdigest()


def _tell(made: Any, output: Path, digest: str, *, as_json: bool) -> None:
    from provenance.cli import terminal

    if as_json:
        terminal.print_json({**made, "file": str(output), "sha256": digest})
        return
    found = f"{made['records']:,} records, proven" if made["records"] else "no record, and that there is none is proven"
    typer.echo(f"{output}: {found} by the log {terminal.plain(made['origin'])}")
    typer.echo(f"SHA-256 {digest}")
    typer.echo(f"Check it: provenance verify {output} --key …, or python3 verify.py (inside) on any machine.")
