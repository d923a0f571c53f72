"""`provenance import`: bring in what happened elsewhere, each thing once, however often it is run."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provenance.cli.connection import ApiKey, ApiUrl, connected, settled
from provenance.cli.errors import Refused
from provenance.cli.importers import registry
from provenance.cli.importers.journal import Journal, Progress

if TYPE_CHECKING:
    from provenance.cli.importers.contract import Importer
    from provenance.cli.settings import Connection

WAIT = 60.0
"""Seconds that an import waits for a server that is away, unless told otherwise."""


def register(app: typer.Typer) -> None:
    """Add `import` with a command for every importer."""
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
    """Import what happened elsewhere. Running an import again stores nothing twice."""


def _command(importer: "Importer") -> Any:
    def run(
        source: Annotated[str, typer.Argument(metavar=importer.source, help="What to import.")],
        restart: Annotated[bool, typer.Option("--restart", help="Do not go on where an interrupted run stopped.")] = False,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the interactions as JSON lines; send none.")] = False,
        wait: Annotated[float, typer.Option("--wait", metavar="SECONDS", help="Patience with a server that is away.")] = WAIT,
        as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
        api_url: ApiUrl = None,
        api_key: ApiKey = None,
    ) -> None:
        if dry_run:
            _show(importer, source)
            return
        run = Run(importer, source, settled(api_url, api_key), wait)
        _report(run.result(restart=restart), as_json=as_json)

    return run


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an import: from where the last one stopped to the end of the source."""

    importer: "Importer"
    source: str
    connection: "Connection"
    wait: float

    def result(self, *, restart: bool) -> Progress:
        """Send the records that are not settled yet and return what became of all of them."""
        from provenance.cli.importers.delivery import Delivery

        fingerprint = self.importer.fingerprint(self.source)
        journal = Journal.of(self.importer.name, self.source, fingerprint, self.connection)
        if restart:
            journal.remove()
        progress = journal.read()
        if progress.position:
            typer.echo(f"Going on after {progress.position:,} records (--restart begins anew).", err=True)
        records = islice(self.importer.records(self.source), progress.position, None)
        with _bar(self.importer.total(self.source)) as bar, connected(self.connection) as client:

            def settled_so_far(now: Progress) -> None:
                journal.write(now)
                bar.advance_to(now.position)

            settled_so_far(progress)
            Delivery(client, progress, settled=settled_so_far, waiting=bar.say, patience=self.wait).send(records)
        journal.remove()
        return progress
