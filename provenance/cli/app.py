"""The table of contents of the command line.

Which command is in which module, and the application of them.
"""

import os
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated

import typer

COMMANDS = {
    "track": "track",
    "search": "search",
    "tail": "tail",
    "trace": "trace",
    "uow": "uow",
    "import": "imports",
    "resource-types": "catalogue",
    "actions": "catalogue",
    "origins": "catalogue",
    "proof": "proof",
    "verify": "verify",
    "evidence": "evidence",
    "export": "export",
    "log": "log",
    "erase": "erasure",
    "hold": "erasure",
    "retention": "erasure",
    "witness": "witness",
    "runs": "runs",
    "approvals": "approvals",
    "notifications": "notifications",
    "keys": "keys",
    "members": "members",
    "workspace": "workspace",
    "streams": "streams",
    "alerts": "alerts",
    "bus": "bus",
    "secrets": "secrets",
    "connections": "connections",
    "skills": "skills",
    "datastores": "datastores",
    "workflows": "workflows",
    "triggers": "triggers",
    "config": "config",
    "login": "login",
    "logout": "login",
    "whoami": "login",
}
"""Each command and the module that adds it, in the order of `--help`. A module has `register(app)`."""

SERVER_COMMANDS = frozenset({"up", "serve", "worker", "migrate", "doctor", "backup", "restore"})
SERVER = "server"
"""The module of the server's own commands; an installation of the command line alone may lack it."""


def build(arguments: Sequence[str] = ()) -> typer.Typer:
    """Return the application: with the one command that is called or, for help and completion, with all.

    A start must feel like none: other commands' modules are not imported, and the two completion options,
    whose types alone cost 60 ms, are left out unless someone asks for them.
    """
    called = arguments[0] if arguments else ""
    asked = "_PROVENANCE_COMPLETE" not in os.environ
    alone, operating = called in COMMANDS and asked, called in SERVER_COMMANDS and asked
    app = typer.Typer(
        add_completion=not (alone or operating),
        context_settings={"help_option_names": ["-h", "--help"]},
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(root)
    for name in [COMMANDS[called]] if alone else [] if operating else dict.fromkeys(COMMANDS.values()):
        import_module(f"provenance.cli.{name}").register(app)
    if not alone and find_spec(f"provenance.cli.{SERVER}"):
        import_module(f"provenance.cli.{SERVER}").register(app)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"provenance {version('provenance')}")
        raise typer.Exit


def root(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Record who did what to what, and ask about it later.

    Settings: by flag, then PROVENANCE_API_URL, PROVENANCE_API_KEY and PROVENANCE_ORIGIN, then `provenance
    config`, then `provenance login`.
    """
