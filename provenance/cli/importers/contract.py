"""What an importer is: a name, a source it can read, and records with keys that never change."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from provenance.cli.errors import CommandFailed


@dataclass(frozen=True, slots=True)
class Record:
    """One interaction to be.

    `item` has the fields of a batch item (spec: Interaction, batch) in wire spelling, with an
    `idempotencyKey` that is the same whenever the same thing is imported again. `where` names its place in
    the source: "line 12".
    """

    where: str
    item: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A piece of the source that cannot become an interaction, and why; it is counted as failed."""

    where: str
    reason: str


@runtime_checkable
class Importer(Protocol):
    """Reads one kind of source. `provenance import NAME SOURCE` runs it.

    `name` is the command's word, `help` its first line in `--help`, `source` says what SOURCE is (a metavar).
    """

    name: str
    help: str
    source: str

    def records(self, source: str) -> Iterator[Record | Unreadable]:
        """Yield the records of a source one by one, oldest first where there is an order.

        The same source yields the same records in the same order.

        Raises BadSource when it cannot be read at all.
        """
        ...

    def total(self, source: str) -> int | None:
        """Return how many records there will be, for the progress bar, or None when nobody knows."""
        ...

    def fingerprint(self, source: str) -> str | None:
        """Return a text that changes when the source does, or None for a source that can be read only once.

        It decides whether an interrupted import may skip what it already sent.
        """
        ...


class BadSource(CommandFailed):
    """The source does not exist or is of another kind than the importer reads (exit 2)."""

    exit_code = 2
