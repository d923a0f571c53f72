"""What else holds traces of a row: features above the ledger say here what they forget when content is destroyed.

A forgetter runs in the transaction of each batch; its table is cleaned up with the ledger's own.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from provenance.core.db import WriteTx

Forget = Callable[[WriteTx, Sequence[int]], Awaitable[None]]
"""Forgets what a table of the transaction's workspace holds of the rows with these numbers."""


class Forgetter(NamedTuple):
    """A table with traces of rows, and how they are removed."""

    table: str
    forget: Forget


registered: list[Forgetter] = []


def forgets(table: str) -> Callable[[Forget], Forget]:
    """Register the function that removes the traces of rows from a table."""

    def register(forget: Forget) -> Forget:
        registered.append(Forgetter(table, forget))
        return forget

    return register
