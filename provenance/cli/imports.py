"""`provenance import`: bring in what happened elsewhere, each thing once, however often it is run."""

from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provenance.cli.connection import ApiKey, ApiUrl, connected, settled
from provenance.cli.errors import CommandFailed, Refused
from provenance.cli.importers import registry

if TYPE_CHECKING:
    from provenance.cli.importers.contract import Importer
    from provenance.cli.importers.journal import Journal, Progress
    from provenance.cli.settings import Connection

WAIT = 60.0
"""Seconds that an import waits for a server that is away, unless told otherwise."""

LISTED = 100
"""Failures that are printed with their reasons; the rest are counted (`--json` lists up to 1,000)."""


def register(app: typer.Typer) -> None:
    """Add `import` with a command for every importer; a broken plug-in is named and left out."""
    group = typer.Typer(no_args_is_help=True)
    group.callback()(imports)
    for name in registry.names():
        try:
            importer = registry.load(name)
        except registry.BrokenImporter as error:
            typer.echo(f"warning: {error}", err=True)
        else:
            group.command(name, help=importer.help)(_command(importer))
    app.add_typer(group, name="import")


def imports() -> None:
    """Import what happened elsewhere; running it again stores nothing twice."""


def _command(importer: "Importer") -> Any:
    def run(
        source: Annotated[str, typer.Argument(metavar=importer.source, help="What to import.")],
        restart: Annotated[
            bool, typer.Option("--restart", help="Begin anew, not where an interrupted run stopped.")
        ] = False,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Print the interactions as JSON lines; send none.")
        ] = False,
        wait: Annotated[
            float, typer.Option("--wait", metavar="SECONDS", help="Patience with a server that is away.")
        ] = WAIT,
        as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
        api_url: ApiUrl = None,
        api_key: ApiKey = None,
    ) -> None:
        if dry_run:
            _show(importer, source)
        else:
            found = Run(importer, source, settled(api_url, api_key), wait).result(restart=restart)
            _report(found, as_json=as_json)

    return run


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an import: from where the last one stopped to the end of the source."""

    importer: "Importer"
    source: str
    connection: "Connection"
    wait: float

    def result(self, *, restart: bool) -> "Progress":
        """Send what is not settled yet and return what became of all records, earlier runs' included."""
        from provenance.cli.importers.journal import Journal

        fingerprint = self.importer.fingerprint(self.source)
        journal = Journal.of(self.importer.name, self.source, fingerprint, self.connection)
        if restart:
            journal.remove()
        progress = journal.read()
        if progress.position:
            typer.echo(f"Going on after {progress.position:,} records (--restart begins anew).", err=True)
        try:
            self._send(journal, progress)
        except (CommandFailed, KeyboardInterrupt):
            if progress.position and journal.path:
                typer.echo(f"Stopped after {progress.position:,} records; the same command goes on there.", err=True)
            raise
        journal.remove()
        return progress

    def _send(self, journal: "Journal", progress: "Progress") -> None:
        from provenance.cli.importers.delivery import Delivery
        from provenance.cli.progress import Bar

        records = islice(self.importer.records(self.source), progress.position, None)
        total = self.importer.total(self.source)
        with Bar(self.importer.name, total, progress.position) as bar, connected(self.connection) as client:

            def keep(now: "Progress") -> None:
                journal.write(now)
                bar.advance_to(now.position)

            Delivery(client, progress, settled=keep, waiting=bar.say, patience=self.wait).send(records)


def _show(importer: "Importer", source: str) -> None:
    """Print what would be sent, and what could not be, on stderr."""
    from provenance.cli import terminal
    from provenance.cli.importers.contract import Unreadable

    for record in importer.records(source):
        if isinstance(record, Unreadable):
            terminal.say(f"{record.where}: {terminal.plain(record.reason)}")
        else:
            typer.echo(terminal.as_json(record.item))


def _report(progress: "Progress", *, as_json: bool) -> None:
    """Print the summary on stdout and the failures on stderr. Raises Refused when there are any."""
    from provenance.cli import terminal

    if as_json:
        terminal.print_json(asdict(progress))
    else:
        typer.echo(f"{progress.created:,} created, {progress.duplicates:,} duplicates, {progress.failed:,} failed")
    for where, reason in progress.failures[:LISTED]:
        terminal.say(f"{terminal.plain(where)}: {terminal.plain(reason)}")
    if progress.failed:
        rest = progress.failed - min(len(progress.failures), LISTED)
        more = f" ({rest:,} more than listed)" if rest else ""
        raise Refused(f"{progress.failed:,} records were not stored{more}. Repair them and run the import again.")
