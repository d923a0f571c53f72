"""The server's own commands: `up`, `serve`, `worker`, `migrate`, `doctor`, `backup`, `restore`.

Nothing of the server is imported before a command needs it.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provenance.cli.errors import Misused, Refused

if TYPE_CHECKING:
    from provenance.postgres import RootMode


class Act(StrEnum):
    """What is done with the master key."""

    status = "status"
    rotate = "rotate"
    rewrap = "rewrap"


class Root(StrEnum):
    """How PostgreSQL is run for root."""

    auto = "auto"
    namespace = "namespace"
    account = "account"


Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="PROVENANCE_DATA_DIR",
        show_default="$XDG_DATA_HOME/provenance, as root /var/lib/provenance",
        help="Folder of the embedded database, the master key and the first credentials.",
    ),
]
Host = Annotated[str, typer.Option(envvar="PROVENANCE_HOST", help="Address to listen on.")]
Port = Annotated[int, typer.Option(envvar="PROVENANCE_PORT", min=1, max=65535, help="Port to listen on.")]
Servers = Annotated[
    int,
    typer.Option(
        envvar="PROVENANCE_SERVERS", min=1, max=16, help="Server processes on the one address, for more than a core."
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        envvar=["DATABASE_URL", "PROVENANCE_DATABASE_URL"],
        show_default="the embedded database of the data folder",
        help="PostgreSQL 15 or newer of your own, as postgresql://user:password@host/database.",
    ),
]
RootOption = Annotated[
    Root,
    typer.Option(
        "--root-mode", envvar="PROVENANCE_ROOT_MODE", help="As root: who runs the embedded PostgreSQL for us."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the server's commands to the command line."""
    for command in (up, serve, worker, migrate, doctor, backup, restore):
        app.command()(command)
    app.command("master-key")(master_key)


def up(
    data: Data = None,
    host: Host = "127.0.0.1",
    port: Port = 7300,
    database_url: DatabaseUrl = None,
    root_mode: RootOption = Root.auto,
    servers: Servers = 1,
) -> None:
    """Start everything here: database, migrations, server and worker. Ctrl-C stops it all."""
    _export(data, host, port, database_url)
    os.environ["PROVENANCE_SERVERS"] = str(servers)
    os.environ["PROVENANCE_ROOT_MODE"] = root_mode
    sys.stdout.flush()
    # A fresh process without the command line's libraries: this one lives as long as the server.
    os.execv(sys.executable, [sys.executable, "-m", "provenance.up"])  # noqa: S606  (our own module)


def serve(data: Data = None, host: Host = "127.0.0.1", port: Port = 7300, database_url: DatabaseUrl = None) -> None:
    """Run one HTTP server on a database of your own; start as many as you need."""
    _require(database_url, "serve")
    _export(data, host, port, database_url)
    _run("serve")


def worker(data: Data = None, database_url: DatabaseUrl = None) -> None:
    """Run one background worker on a database of your own; start as many as you need."""
    _require(database_url, "worker")
    _export(data, None, None, database_url)
    _run("worker")


def migrate(data: Data = None, database_url: DatabaseUrl = None, root_mode: RootOption = Root.auto) -> None:
    """Bring the database's schema up to date; does nothing when it is."""
    from provenance.migrate import head, upgrade

    with database(data, database_url, root_mode) as url:
        upgrade(url)
    typer.echo(f"the schema is at {head()}")


def doctor(
    data: Data = None,
    host: Host = "127.0.0.1",
    port: Port = 7300,
    database_url: DatabaseUrl = None,
    root_mode: RootOption = Root.auto,
) -> None:
    """Check this installation and print what was found; ends with 1 when something is wrong."""
    from provenance.cli.doctor import Subject, examine

    failed = False
    for finding in examine(Subject(folder_of(data), host, port, database_url, root_mode.value)):
        typer.echo(f"{finding.result:<7} {finding.check:<12} {finding.text}")
        failed = failed or finding.result == "failed"
    if failed:
        raise typer.Exit(1)


def master_key(
    act: Annotated[Act, typer.Argument(help="What to do.")] = Act.status,
    data: Data = None,
    database_url: DatabaseUrl = None,
    root_mode: RootOption = Root.auto,
) -> None:
    """Show which master keys wrap the data keys, put a new key file in place, or wrap all data keys anew.

    Everything keeps running meanwhile. A key that Vault or AWS KMS holds is rotated there; `rewrap` follows.
    """
    from provenance.cli.master_key import rewrapped, rotated, standing

    folder = folder_of(data)
    with database(data, database_url, root_mode) as url:
        done = {Act.status: standing, Act.rotate: rotated, Act.rewrap: rewrapped}[act](folder, url)
    for line in done:
        typer.echo(line)


def backup(
    file: Annotated[Path, typer.Argument(help="File to write; one that is there is replaced at the end.")],
    data: Data = None,
    database_url: DatabaseUrl = None,
    root_mode: RootOption = Root.auto,
) -> None:
    """Write the whole database into one file while everything keeps running."""
    from provenance.cli.backup import dump

    with database(data, database_url, root_mode) as url:
        size = dump(url, file)
    typer.echo(f"{file}: {size / 1e6:,.1f} MB")
    typer.echo(
        f"It does not contain the master key, and sealed content cannot be read without it: "
        f"keep a copy of {folder_of(data) / 'master.key'} apart from the backups.",
        err=True,
    )


def restore(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A file written by `backup`.")],
    force: Annotated[bool, typer.Option("--force", help="Replace what is in the database.")] = False,
    data: Data = None,
    database_url: DatabaseUrl = None,
    root_mode: RootOption = Root.auto,
) -> None:
    """Bring a backup back, all or nothing, into an empty database (with --force: instead of its content)."""
    from provenance.cli.backup import restore as bring_back
    from provenance.migrate import upgrade
    from provenance.restored import erase_again

    with database(data, database_url, root_mode, create=True) as url:
        bring_back(url, file, force=force)
        upgrade(url)
        again = erase_again(url, folder_of(data))
    if again:
        typer.echo(f"{again:,} rows that were erased after this backup were erased again", err=True)
    typer.echo(f"restored; put the master key of that installation at {folder_of(data) / 'master.key'}")


@contextmanager
def database(data: Path | None, url: str | None, root_mode: Root = Root.auto, *, create: bool = False) -> Iterator[str]:
    """Yield the address of the database: the given one, or the embedded one, started when it does not run."""
    from provenance.postgres import EmbeddedPostgresError, reach
    from provenance.postgres.place import cluster_folder

    if url:
        yield url
        return
    folder = folder_of(data)
    if not create and not (cluster_folder(folder) / "PG_VERSION").exists():
        raise Misused(f"there is no database in {folder}; name the folder with --data, or set DATABASE_URL")
    mode: RootMode = root_mode.value
    try:
        with reach(folder, mode) as address:
            yield address
    except EmbeddedPostgresError as error:
        raise Refused(str(error)) from error


def folder_of(data: Path | None) -> Path:
    """Return the installation's folder: the option's, or the platform's."""
    from provenance_client.settings import data_folder

    return (data.expanduser() if data else data_folder()).absolute()


def _export(data: Path | None, host: str | None, port: int | None, database_url: str | None) -> None:
    """Hand the options down as the variables that every process of the server reads."""
    chosen = {
        "PROVENANCE_DATA_DIR": str(folder_of(data)),
        "PROVENANCE_HOST": host,
        "PROVENANCE_PORT": None if port is None else str(port),
        "DATABASE_URL": database_url,
    }
    os.environ.update({name: value for name, value in chosen.items() if value is not None})


def _require(database_url: str | None, command: str) -> None:
    if not database_url:
        raise Misused(
            f"`{command}` needs a database of your own: set DATABASE_URL. "
            "With the embedded one, `provenance up` starts everything."
        )


def _run(name: str) -> None:
    from provenance.up.processes import run_child

    raise typer.Exit(run_child(name))
