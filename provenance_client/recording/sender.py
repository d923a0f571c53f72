"""The background thread that empties spools into `POST /interactions/batch?mode=partial`.

What the server took (or had already: each item carries its own dedupe key) leaves the spool; what it
refused for good goes to the dead letters; everything else stays and is tried again, after an exponential
back-off with full jitter or the time the server asked for.
"""

from __future__ import annotations

import logging
import random
import sqlite3
import threading
import time
from dataclasses import dataclass
from typing import Any

from provenance_client.api.request import JSON, Request
from provenance_client.api.transport import SyncTransport
from provenance_client.errors import Conflict, InvalidRequest, ProvenanceError, ServerError, TooLarge
from provenance_client.recording.dead_letters import DeadLetters
from provenance_client.recording.folder import HeldSpool, SpoolFolder
from provenance_client.recording.options import Options
from provenance_client.recording.spool import Batch, Spool

log = logging.getLogger(__name__)
BATCH_BYTES = 1024 * 1024
_FIRST_DELAY, _LONGEST_DELAY, _LONGEST_DELAY_IN_FLUSH = 0.2, 30.0, 0.5
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

    def __init__(
        self, transport: SyncTransport, folder: SpoolFolder, dead: DeadLetters, options: Options
    ) -> None:
        self.own = folder.new()
        self.adopted: list[HeldSpool] = []
        self.counts = Counts()
        self.disk = threading.Lock()
        self._transport, self._folder, self._dead, self._options = transport, folder, dead, options
        self._batch_rows = options.batch_rows
        self._failures = 0
        self._next_adoption = 0.0
        self._flushing = 0
        self._work, self._hurry, self._stopping = threading.Event(), threading.Event(), threading.Event()
        self._settled = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="provenance-sender", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something to send."""
        if not self._work.is_set():
            self._work.set()

    def flush(self, timeout: float) -> bool:
        """Wait until everything appended so far left the spool, `timeout` seconds at most; whether it did."""
        spool, deadline = self.own.spool, time.monotonic() + timeout
        target = spool.last_number
        with self._settled:
            self._flushing += 1
            self._hurry.set()
            self._work.set()
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
        self._work.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        _this_thread.sending = True
        while not self._stopping.is_set():
            self._work.clear()
            try:
                busy = self._round()
            except Exception as error:
                # A full disk, a damaged file: whatever it is, the thread must live to send the rest later.
                log.warning("sending failed: %s", error, exc_info=True)
                self._back_off(ServerError(str(error), code="sender_failed"))
                continue
            if not busy:
                self._wait()
        self._let_go()

    def _round(self) -> bool:
        """One batch of each spool. Whether there may be more."""
        if time.monotonic() >= self._next_adoption:
            self._adopt()
        busy = [self._send_from(held.spool) for held in (self.own, *self.adopted)]
        with self.disk:
            for held, had_some in zip(tuple(self.adopted), busy[1:], strict=True):
                if not had_some:
                    self.adopted.remove(held)
                    held.close()
            self.own.spool.checkpoint()
        return any(busy)

    def _adopt(self) -> None:
        self._next_adoption = time.monotonic() + self._options.adopt_every
        with self.disk:
            found = self._folder.adopt()
            self.adopted += found
        self.counts.adopted += sum(held.spool.rows for held in found)

    def _send_from(self, spool: Spool) -> bool:
        """Send the oldest of a spool. Whether there was anything."""
        if self._stopping.is_set():
            return False
        with self.disk:
            batch = spool.batch(self._batch_rows, BATCH_BYTES)
        if not batch.numbers:
            return False
        try:
            results = self._post(batch)
        except (InvalidRequest, TooLarge, Conflict) as error:
            self._divide(spool, batch, error)
        except ProvenanceError as error:
            self._back_off(error)
        else:
            self._settle(spool, batch, results)
        return True

    def _post(self, batch: Batch) -> dict[int, dict[str, Any]]:
        content = f'{{"items":[{batch.bodies}]}}'.encode()
        request: Request[Any] = Request("POST", "/interactions/batch", (("mode", "partial"),), JSON, content)
        return _by_index(self._transport.run(request))

    def _settle(self, spool: Spool, batch: Batch, results: dict[int, dict[str, Any]]) -> None:
        """Drop what was stored, bury what was refused, keep what the server could not do now."""
        kept: list[int] = []
        trouble: ProvenanceError | None = None
        with self.disk:
            for index, number in enumerate(batch.numbers):
                result = results.get(index, _UNANSWERED)
                if result["status"] == "failed":
                    error = _item_error(result)
                    if _is_passing(error):
                        kept.append(number)
                        trouble = error
                    else:
                        self._bury(spool, number, error)
                else:
                    self.counts.sent += 1
                    self.counts.duplicates += result["status"] == "duplicate"
            self._forget(spool, batch, kept)
        if trouble:
            self._back_off(trouble)
        else:
            self._went_well()

    def _divide(self, spool: Spool, batch: Batch, error: ProvenanceError) -> None:
        """The request as a whole was refused: find the one item it is about by halves."""
        if len(batch.numbers) > 1:
            self._batch_rows = len(batch.numbers) // 2
            return
        with self.disk:
            self._bury(spool, batch.numbers[0], error)
            self._forget(spool, batch, [])
        self._went_well()

    def _bury(self, spool: Spool, number: int, error: ProvenanceError) -> None:
        self.counts.dead += 1
        self.counts.last_error = str(error)
        log.warning("an interaction was refused for good: %s", error)
        self._dead.add(spool.body(number), status=error.status, code=error.code, detail=error.detail)

    def _forget(self, spool: Spool, batch: Batch, kept: list[int]) -> None:
        size = batch.size - sum(len(spool.body(number).encode()) for number in kept)
        staying = frozenset(kept)
        spool.discard([number for number in batch.numbers if number not in staying], size)
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
            self._stopping.wait(error.retry_after + jitter * _FIRST_DELAY)
            return
        longest = _LONGEST_DELAY_IN_FLUSH if self._flushing else _LONGEST_DELAY
        self._hurry.clear()
        if not self._stopping.is_set():
            self._hurry.wait(jitter * min(longest, _FIRST_DELAY * 2 ** min(self._failures, 16)))

    def _wait(self) -> None:
        """Until something is appended or adoption is due.

        Then a moment more, for company in the same request.
        """
        until_adoption = max(0.0, self._next_adoption - time.monotonic())
        if self._work.wait(until_adoption) and not self._flushing:
            self._hurry.clear()
            self._hurry.wait(self._options.linger)

    def _let_go(self) -> None:
        with self.disk:
            for held in (self.own, *self.adopted):
                held.close()
        self._transport.close()
        with self._settled:
            self._settled.notify_all()


_UNANSWERED: dict[str, Any] = {"status": "failed", "error": {"status": 500, "detail": "no result"}}


def _by_index(answer: Any) -> dict[int, dict[str, Any]]:
    items = answer.get("items") if isinstance(answer, dict) else answer
    if not isinstance(items, list):
        raise ServerError("the batch was answered without results", code="unexpected_answer")
    return {int(item["index"]): item for item in items}


def _item_error(result: dict[str, Any]) -> ProvenanceError:
    error = result.get("error")
    said = error if isinstance(error, dict) else {"detail": error}
    return ProvenanceError(
        str(said.get("detail") or "refused"),
        code=said.get("code"),
        status=said.get("status"),
        retry_after=said.get("retryAfter"),
    )


def _is_passing(error: ProvenanceError) -> bool:
    return error.status is not None and (error.status == 429 or error.status >= 500)
