"""Which importers there are: the built-in ones and those that installed packages bring along."""

from collections.abc import Callable
from importlib import import_module

from provenance.cli.errors import CommandFailed
from provenance.cli.importers.contract import Importer

GROUP = "provenance.importers"
"""The entry-point group: the entry's name is the importer's, its value a class or function that makes one."""

BUILT_IN = {
    "github-webhooks": "provenance.cli.importers.github:GithubWebhooks",
    "git": "provenance.cli.importers.git:GitHistory",
    "ndjson": "provenance.cli.importers.ndjson:NdjsonFile",
}


class BrokenImporter(CommandFailed):
    """An installed package offers an importer that cannot be loaded (exit 1)."""


def names() -> list[str]:
    """Return every importer's name, the built-in ones first; a plug-in cannot take a built-in name."""
    return [*BUILT_IN, *sorted(_plugged() - BUILT_IN.keys())]


def load(name: str) -> Importer:
    """Return an importer by name.

    Raises BrokenImporter when its package does not load, or does not give an importer.
    """
    try:
        importer = _maker(name)()
    except Exception as error:
        raise BrokenImporter(
            f"The importer {name!r} does not load: {error!r}. Repair or remove its package."
        ) from error
    if not isinstance(importer, Importer):
        raise BrokenImporter(f"{name!r} is no importer: it lacks a part of the Importer protocol.")
    return importer


def _plugged() -> set[str]:
    from importlib.metadata import entry_points

    return {entry.name for entry in entry_points(group=GROUP)}


def _maker(name: str) -> Callable[[], object]:
    if path := BUILT_IN.get(name):
        module, _, attribute = path.partition(":")
        made: Callable[[], object] = getattr(import_module(module), attribute)
        return made
    from importlib.metadata import entry_points

    (entry,) = list(entry_points(group=GROUP, name=name))[:1]
    loaded: Callable[[], object] = entry.load()
    return loaded
