"""`provenance uow`: units of work."""

import uuid

import typer

uow = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add `uow` to the command line."""
    app.add_typer(uow, name="uow")


@uow.callback()
def group() -> None:
    """Units of work: what belongs together across services."""


@uow.command()
def new() -> None:
    """Print a fresh unit-of-work id, and nothing else.

    Use it as: UOW=$(provenance uow new); provenance track --uow "$UOW" …
    """
    typer.echo(uuid.uuid4())
