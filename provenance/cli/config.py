"""`provenance config`: what this person's command line remembers."""

import os
import sys
from typing import Annotated

import typer

from provenance.cli.errors import Misused, Refused
from provenance.cli.settings import KEYS, config_path, key_id, load_config, resolve, save_config

config = typer.Typer(help="Keep the server's address, the API key and the origin.", no_args_is_help=True)

Key = Annotated[str, typer.Argument(help=f"One of: {', '.join(KEYS)}.", autocompletion=lambda: list(KEYS))]


def register(app: typer.Typer) -> None:
    """Add `config` to the command line."""
    app.add_typer(config, name="config")


@config.command("set")
def set_(
    key: Key,
    value: Annotated[
        str | None, typer.Argument(help="The value; without it, it is asked for or read from stdin.")
    ] = None,
) -> None:
    """Remember a setting. An empty value forgets it."""
    _check(key)
    if value is None:
        value = _asked(key)
    value = value.strip()
    if value and key == "api-url":
        value = _normal_url(value)
    kept = load_config()
    kept.pop(key, None)
    path = save_config({**kept, **({key: value} if value else {})})
    typer.echo(f"{key} {'saved in' if value else 'removed from'} {path}", err=True)


@config.command("get")
def get(key: Key) -> None:
    """Print one remembered setting as it is kept (the environment, where set, wins over it)."""
    _check(key)
    value = load_config().get(key)
    if value is None:
        raise Refused(f"{key} is not set. Set it with: provenance config set {key} VALUE")
    typer.echo(value)


@config.command("list")
def list_() -> None:
    """Print every setting in force, where it comes from, and the key masked."""
    kept, found = load_config(), resolve()
    values = {"api-url": found.api_url, "api-key": found.api_key, "origin": found.origin}
    for key, variable in KEYS.items():
        source = variable if os.environ.get(variable) else "file" if key in kept else "default"
        typer.echo(f"{key}\t{_masked(key, values[key])}\t{source}")


@config.command("path")
def path() -> None:
    """Print the configuration file's path."""
    typer.echo(config_path())


def _asked(key: str) -> str:
    """Return what a person types, or what a script pipes in; a key is not shown."""
    if not sys.stdin.isatty():
        return sys.stdin.readline()
    return str(typer.prompt(key, hide_input=key == "api-key", err=True))


def _check(key: str) -> None:
    if key not in KEYS:
        raise Misused(f"No setting is called {key!r}. Choose one of: {', '.join(KEYS)}.")


def _normal_url(value: str) -> str:
    from provenance_client.errors import InvalidRequest
    from provenance_client.settings import normalise_url

    try:
        return normalise_url(value)
    except InvalidRequest as error:
        raise Misused(f"{error.detail}\nGive the server's address as http(s)://host:port/api.") from error


def _masked(key: str, value: str | None) -> str:
    """Show a key's public part alone (`pv_<id>_…`); an id is enough to tell two keys apart."""
    if not value:
        return "-"
    if key != "api-key":
        return value
    public = key_id(value)
    return f"{public}_…" if public else "…"
