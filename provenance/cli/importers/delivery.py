"""Sending records to the ledger: in chunks, each record once, through a server that is away for a while."""

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from provenance.cli import strict_json
from provenance.cli.importers.contract import Record, Unreadable
from provenance.cli.importers.journal import Progress
from provenance.cli.patience import Backoff, passes

if TYPE_CHECKING:
    from provenance_client import Client, ProvenanceError

MOST_ITEMS = 1_000
MOST_BYTES = 8 * 1024 * 1024
"""What one request carries at most."""

LARGEST = 256 * 1024
"""Bytes of one interaction (spec: Interaction); larger ones are refused by name, never cut."""

LONGEST_PAUSE = 10.0
"""Most seconds between two tries."""

_SUSPECT = re.compile(r"\\u0000|\d{16}")
_PLACE = re.compile(r"(?<![\w\]])\[\d+\]\.")
_ITEM_AT_FAULT = frozenset({400, 409, 413})


@dataclass(frozen=True, slots=True)
class Sendable:
    """A record that the ledger could hold: its place in the chunk and its size on the wire in bytes."""

    index: int
    record: Record
    size: int


class Delivery:
    """Sends records through the batch endpoint and keeps the count in `progress`.

    `settled` is called after each chunk: what came before it needs no sending again. `waiting` is called
    with a sentence while the server is away, and with None when it is back; after `patience` seconds
    without an answer it gives up.
    """

    def __init__(
        self,
        client: "Client",
        progress: Progress,
        *,
        settled: Callable[[Progress], None],
        waiting: Callable[[str | None], None],
        patience: float,
    ) -> None:
        self.client = client
        self.progress = progress
        self.settled = settled
        self.waiting = waiting
        self.patience = patience
        self._faults: dict[int, str] = {}

    def send(self, records: Iterable[Record | Unreadable]) -> None:
        """Send everything. Raises ProvenanceError when the server refuses the caller or stays away."""
        for chunk in _chunks(records):
            self._faults = {}
            checked = [self._checked(index, record) for index, record in enumerate(chunk)]
            for group in _by_size([sendable for sendable in checked if sendable]):
                self._deliver(group)
            for index, reason in sorted(self._faults.items()):
                self.progress.fail(chunk[index].where, reason)
            self.progress.position += len(chunk)
            self.settled(self.progress)

    def _checked(self, index: int, record: Record | Unreadable) -> Sendable | None:
        """Return the record ready to send, or note why the ledger could not hold it."""
        if isinstance(record, Unreadable):
            self._faults[index] = record.reason
            return None
        size, reason = _weighed(record)
        if reason:
            self._faults[index] = reason
            return None
        return Sendable(index, record, size)

    def _deliver(self, group: list[Sendable]) -> None:
        """Send one request's worth.

        Where the request as a whole is refused, halve it to find the one at fault.
        """
        from provenance_client import ProvenanceError

        try:
            results = self._patiently([sendable.record.item for sendable in group])
        except ProvenanceError as error:
            if error.status not in _ITEM_AT_FAULT:
                raise
            if len(group) == 1:
                self._faults[group[0].index] = str(error)
                return
            middle = len(group) // 2
            self._deliver(group[:middle])
            self._deliver(group[middle:])
        else:
            for result in results:
                self._count(group[result["index"]], result)

    def _count(self, sendable: Sendable, result: Any) -> None:
        if result["status"] == "created":
            self.progress.created += 1
        elif result["status"] == "duplicate":
            self.progress.duplicates += 1
        else:
            self._faults[sendable.index] = _reason(result.get("error"))

    def _patiently(self, items: list[Any]) -> Any:
        """Send until an answer comes; sending again is harmless, because every item carries its key."""
        from provenance_client import ProvenanceError

        backoff, deadline = Backoff(LONGEST_PAUSE), time.monotonic() + self.patience
        while True:
            try:
                results = self.client.interactions.batch(items, mode="partial")["items"]
            except ProvenanceError as error:
                self._pause(error, backoff, deadline)
                continue
            self.waiting(None)
            return results

    def _pause(self, error: "ProvenanceError", backoff: Backoff, deadline: float) -> None:
        seconds = backoff.seconds(error)
        if not passes(error) or time.monotonic() + seconds > deadline:
            raise error
        self.waiting(error.detail)
        time.sleep(seconds)


def _chunks(records: Iterable[Record | Unreadable]) -> Iterator[list[Record | Unreadable]]:
    """Group records by what is read, sent and settled together."""
    chunk: list[Record | Unreadable] = []
    for record in records:
        chunk.append(record)
        if len(chunk) == MOST_ITEMS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _by_size(sendables: list[Sendable]) -> Iterator[list[Sendable]]:
    """Split a chunk where one request would grow too large."""
    group: list[Sendable] = []
    weight = 0
    for sendable in sendables:
        if group and weight + sendable.size > MOST_BYTES:
            yield group
            group, weight = [], 0
        group.append(sendable)
        weight += sendable.size
    if group:
        yield group


def _weighed(record: Record) -> tuple[int, str | None]:
    """Return the record's size in bytes, and why the ledger cannot hold it, if so."""
    if not isinstance(record.item.get("idempotencyKey"), str):
        return 0, "it has no idempotencyKey: importing it twice would store it twice"
    try:
        text = json.dumps(record.item, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except (ValueError, TypeError, RecursionError) as error:
        return 0, strict_json.trouble(dict(record.item)) or f"not JSON: {error}"
    if size > LARGEST:
        return size, f"{size:,} bytes; one interaction holds at most {LARGEST:,}, and nothing is cut"
    return size, strict_json.trouble(dict(record.item)) if _SUSPECT.search(text) else None


def _reason(error: Any) -> str:
    """Return a failed item's error as one line."""
    if not isinstance(error, dict):
        return str(error or "refused without a reason")
    issues = "; ".join(f"{issue.get('path')}: {issue.get('issue')}" for issue in error.get("details") or ())
    text = str(error.get("detail") or error.get("message") or error.get("code") or error)
    whole = f"{text} ({issues})" if issues and issues not in text else text
    # The server counts within the request; the place in the source is what a person can look up.
    return _PLACE.sub("", whole)
