"""The background thread that empties spools into `POST /interactions/batch?mode=partial`.

What the server took (or had already: each item carries its own dedupe key) leaves the spool; what it
refused for good goes to the dead letters; everything else stays and is tried again, after an exponential
back-off with full jitter or the time the server asked for.
"""

from __future__ import annotations

import contextlib

# Otherwise imported by the first connection, in the sender's thread: a fork in the middle of that import would leave
# the child with half a module and no way to ever connect.
import encodings.idna  # noqa: F401
import logging
import queue
import random
import sqlite3
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from provenance_client.api.request import JSON, Request
from provenance_client.api.transport import SyncTransport
from provenance_client.errors import Conflict, InvalidRequest, ProvenanceError, ServerError, TooLarge
from provenance_client.recording.dead_letters import DeadLetters
from provenance_client.recording.folder import HeldSpool, SpoolFolder
from provenance_client.recording.options import Options
from provenance_client.recording.spool import Batch, Spool
from provenance_client.recording.verdict import REFUSED, UNANSWERED, Result, Totals, read_results, read_totals

log = logging.getLogger(__name__)
BATCH_BYTES = 1024 * 1024
# Each costs a few descriptors; a crash loop may have left hundreds.
MOST_ADOPTED = 8
_FIRST_DELAY, _LONGEST_DELAY, _LONGEST_DELAY_IN_FLUSH, _LONGEST_ASKED_DELAY = 0.2, 30.0, 0.5, 3600.0
_this_thread = threading.local()


def in_sender_thread() -> bool:
    """Whether the caller is a sender.

    What it logs must not be recorded, or each request would cause the next.
    """
    return getattr(_this_thread, "sending", False)


@dataclass(slots=True)
class Counts:
    """What the sender did since it started."""

    sent: int = 0
    duplicates: int = 0
    dead: int = 0
    retries: int = 0
    adopted: int = 0
    last_error: str | None = None


class Sender:
    """One thread, its own spool and those it adopted. `disk` is held while it is inside SQLite."""

    def __init__(self, transport: SyncTransport, folder: SpoolFolder, dead: DeadLetters, options: Options) -> None:
        self.own = folder.new()
        self.adopted: list[HeldSpool] = []
        self.counts = Counts()
        self.disk = threading.Lock()
        self._transport, self._folder, self._dead, self._options = transport, folder, dead, options
        self._batch_rows = options.batch_rows
        self._failures = 0
        self._next_adoption = 0.0
        self._flushing = 0
        self._hurry, self._stopping = threading.Event(), threading.Event()
        # Not an Event: a signal handler or a finaliser may log in the middle of this thread's own ringing, and only
        # a SimpleQueue takes that without waiting for itself.
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._rung = False
        self._settled = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="provenance-sender", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something to send."""
        if not self._rung:
            self._rung = True
            self._bell.put(None)

    def flush(self, timeout: float) -> bool:
        """Wait until everything appended so far left the spool, `timeout` seconds at most; whether it did."""
        spool, deadline = self.own.spool, time.monotonic() + timeout
        target = spool.last_number
        with self._settled:
            self._flushing += 1
            self._hurry.set()
            self.wake()
            try:
                while spool.oldest() <= target:
                    left = deadline - time.monotonic()
                    if left <= 0 or not self._thread.is_alive():
                        return False
                    self._settled.wait(left)
            except sqlite3.ProgrammingError:
                return False  # closed under our feet by another thread
            finally:
                self._flushing -= 1
        return True

    def stop(self, timeout: float) -> None:
        """End the thread, which lets go of its files.

        A request under way may outlast `timeout`, and ends on its own.
        """
        self._stopping.set()
        self._hurry.set()
        self.wake()
        self._thread.join(timeout)

    def _run(self) -> None:
        _this_thread.sending = True
        while not self._stopping.is_set():
            self._silence()
            try:
                busy = self._round()
            except Exception as error:
                # A full disk, a damaged file: whatever it is, the thread must live to send the rest later.
                if self._failures == 0:
                    log.warning("sending failed", exc_info=True)
                self._back_off(ServerError(str(error), code="sender_failed"))
                continue
            if not busy:
                self._wait()
        self._let_go()

    def _round(self) -> bool:
        """One batch of each spool. Whether there is enough left to go on at once."""
        if time.monotonic() >= self._next_adoption:
            self._adopt()
        for held in (self.own, *self.adopted):
            self._send_from(held.spool)
        with self.disk:
            for held in tuple(self.adopted):
                if held.spool.rows == 0:
                    self.adopted.remove(held)
                    held.close()
                    self._next_adoption = 0.0
            self.own.spool.checkpoint()
        return bool(self.adopted) or self.own.spool.rows >= (1 if self._flushing else self._batch_rows)

    def _adopt(self) -> None:
        self._next_adoption = time.monotonic() + self._options.adopt_every
        with self.disk:
            found = self._folder.adopt(MOST_ADOPTED - len(self.adopted))
            self.adopted += found
        self.counts.adopted += sum(held.spool.rows for held in found)

    def _send_from(self, spool: Spool) -> None:
        """Send the oldest of a spool, if any waits."""
        if self._stopping.is_set():
            return
        with self.disk:
            batch = spool.batch(self._batch_rows, BATCH_BYTES)
        if batch is None:
            return
        try:
            answer = self._post(batch)
        except (InvalidRequest, TooLarge, Conflict) as error:
            self._divide(spool, batch, error)
            return
        except ProvenanceError as error:
            self._back_off(error)
            return
        self._settle(spool, batch, answer)

    def _post(self, batch: Batch) -> bytes:
        request: Request[Any] = Request("POST", "/interactions/batch", (("mode", "partial"),), JSON, batch.content)
        return self._transport.exchange(request)

    def _settle(self, spool: Spool, batch: Batch, answer: bytes) -> None:
        """Drop what was stored, bury what was refused, keep what the server could not do now."""
        totals = read_totals(answer)
        if totals.created + totals.duplicates == batch.count:
            with self.disk:
                self._forget(spool, batch, totals)
            self._went_well()
        else:
            self._settle_each(spool, batch, read_results(answer))

    def _settle_each(self, spool: Spool, batch: Batch, results: dict[int, Result]) -> None:
        failed = {
            number: results.get(index, UNANSWERED).error or REFUSED
            for index, number in enumerate(batch.numbers)
            if results.get(index, UNANSWERED).status == "failed"
        }
        passing = {number: problem for number, problem in failed.items() if problem.is_passing}
        duplicates = sum(result.status == "duplicate" for result in results.values())
        stored = Totals(batch.count - len(failed) - duplicates, duplicates)
        with self.disk:
            for number in failed.keys() - passing.keys():
                self._bury(spool, number, failed[number].error())
            self._forget(spool, batch, stored, passing.keys())
        if passing:
            self._back_off(next(iter(passing.values())).error())
        else:
            self._went_well()

    def _divide(self, spool: Spool, batch: Batch, error: ProvenanceError) -> None:
        """The request as a whole was refused: find the one item it is about by halves."""
        if batch.count > 1:
            self._batch_rows = batch.count // 2
            return
        with self.disk:
            self._bury(spool, batch.numbers[0], error)
            self._forget(spool, batch, Totals())
        self._went_well()

    def _bury(self, spool: Spool, number: int, error: ProvenanceError) -> None:
        self.counts.dead += 1
        self.counts.last_error = str(error)
        log.warning("an interaction was refused for good: %s", error)
        self._dead.add(spool.body(number), status=error.status, code=error.code, detail=error.detail)

    def _forget(self, spool: Spool, batch: Batch, stored: Totals, keep: Collection[int] = ()) -> None:
        spool.discard(batch, keep)
        self.counts.sent += stored.created + stored.duplicates
        self.counts.duplicates += stored.duplicates
        with self._settled:
            self._settled.notify_all()

    def _went_well(self) -> None:
        if self._failures:
            log.info("the server takes interactions again")
        self._failures = 0
        self._batch_rows = min(self._options.batch_rows, self._batch_rows * 2)

    def _back_off(self, error: ProvenanceError) -> None:
        """Wait before the next try: what the server asked for, else at random up to twice the last limit."""
        self._failures += 1
        self.counts.retries += 1
        self.counts.last_error = str(error)
        if self._failures == 1:
            log.warning("interactions wait on disk until they can be sent: %s", error)
        jitter = random.random()  # noqa: S311 - spreads clients in time, guards nothing
        if error.retry_after is not None:
            self._stopping.wait(min(error.retry_after, _LONGEST_ASKED_DELAY) + jitter * _FIRST_DELAY)
            return
        longest = _LONGEST_DELAY_IN_FLUSH if self._flushing else _LONGEST_DELAY
        self._hurry.clear()
        if not self._stopping.is_set():
            self._hurry.wait(jitter * min(longest, _FIRST_DELAY * 2 ** min(self._failures, 16)))

    def _wait(self) -> None:
        """Until there is something to send or adoption is due; then a moment more, for company on the way."""
        if self.own.spool.rows == 0 and not self._stopping.is_set():
            with contextlib.suppress(queue.Empty):
                self._bell.get(timeout=max(0.0, self._next_adoption - time.monotonic()))
        if self.own.spool.rows and not self._flushing and not self._stopping.is_set():
            self._hurry.clear()
            self._hurry.wait(self._options.linger)

    def _silence(self) -> None:
        """Make the bell ready to ring; what rang before this is found on disk after it."""
        while not self._bell.empty():
            self._bell.get()
        self._rung = False

    def _let_go(self) -> None:
        with self.disk:
            for held in (self.own, *self.adopted):
                held.close()
        self._transport.close()
        with self._settled:
            self._settled.notify_all()
