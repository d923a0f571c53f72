"""`provenance witness`: who cosigns the heads of our logs, and whose heads we cosign."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from provenance.cli.errors import Refused

if TYPE_CHECKING:
    from provenance.core.settings import Settings

T = TypeVar("T")

Data = Annotated[Path | None, typer.Option("--data", envvar="PROVENANCE_DATA_DIR", help="Folder of the installation.")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(envvar=["DATABASE_URL", "PROVENANCE_DATABASE_URL"], help="Your own PostgreSQL, if you use one."),
]
OneLog = Annotated[
    str | None, typer.Option("--workspace", metavar="WS_ID", help="Only the log of this workspace; else every log.")
]
Origin = Annotated[str, typer.Argument(metavar="ORIGIN", help="The log's origin: the first line of its checkpoints.")]

group = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group `witness` to the command line."""
    app.add_typer(group, name="witness", help="Who cosigns our logs, and whose logs we cosign.")


@group.command("add")
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Of the witness, e.g. https://host/witness.")],
    key: Annotated[str, typer.Option("--key", metavar="KEY", help="Its verifier key, from its operator.")],
    workspace: OneLog = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Show new heads to a witness, at most once a minute, and keep its cosignatures.

    The witness has to trust the log first. Its operator, if it is another Provenance, runs: provenance witness trust
    ORIGIN KEY, with the origin and the key that `provenance log status` shows here.
    """
    from provenance import witnessing

    made = _done(lambda settings: witnessing.add(settings, url, key, workspace), data, database_url)
    typer.echo(f"asked from now on: {made.name} at {made.url}")


@group.command("remove")
def remove(
    url: Annotated[str, typer.Argument(metavar="URL", help="Of the witness, as `list` shows it.")],
    workspace: OneLog = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Show nothing to a witness any more; what it cosigned stays cosigned."""
    from provenance import witnessing

    _done(lambda settings: witnessing.remove(settings, url, workspace), data, database_url)
    typer.echo(f"not asked any more: {url}")


@group.command("trust")
def trust(
    origin: Origin,
    key: Annotated[str, typer.Argument(metavar="KEY", help="The log's verifier key; run again to add another one.")],
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Be a witness of a log: cosign its heads as long as each extends the one before."""
    from provenance import witnessing

    _done(lambda settings: witnessing.trust(settings, origin, key), data, database_url)
    typer.echo(f"cosigned from now on: {origin}")


@group.command("distrust")
def distrust(origin: Origin, data: Data = None, database_url: DatabaseUrl = None) -> None:
    """Cosign the heads of a log no longer."""
    from provenance import witnessing

    _done(lambda settings: witnessing.distrust(settings, origin), data, database_url)
    typer.echo(f"not cosigned any more: {origin}")


@group.command("list")
def list_both(workspace: OneLog = None, data: Data = None, database_url: DatabaseUrl = None) -> None:
    """List whom we ask and whose logs we cosign; how each witness answers is in `provenance log status`."""
    from provenance import witnessing
    from provenance.cli.terminal import plain

    asked = _done(lambda settings: witnessing.asked(settings, workspace), data, database_url)
    trusted = _done(witnessing.trusted, data, database_url)
    for each in asked:
        typer.echo(plain(f"asks     {each.url}  {each.verifier_key}"))
    for log in trusted:
        keys = " ".join(log.verifier_keys)
        typer.echo(plain(f"cosigns  {log.origin}  {log.size:,} entries  {keys}"))
    if not asked and not trusted:
        typer.echo("No witness is asked, and no log is cosigned.")


@group.command("key")
def key(data: Data = None, database_url: DatabaseUrl = None) -> None:
    """Print our verifier key as a witness, for those who are to ask us."""
    from provenance import witnessing

    typer.echo(_done(witnessing.verifier_key, data, database_url))


def _done(act: Callable[["Settings"], T], data: Path | None, database_url: str | None) -> T:
    """Act on the installation's database. Raises Refused with what stands in the way."""
    from provenance.cli.server import database, folder_of
    from provenance.core.addresses import EgressError
    from provenance.core.keyring import KeyringError
    from provenance.core.settings import Settings
    from provenance.witnessing import NotSetUp

    with database(data, database_url) as url:
        try:
            return act(Settings(data_dir=folder_of(data), database_url=url))
        except (EgressError, KeyringError, NotSetUp) as error:
            raise Refused(str(error)) from error
