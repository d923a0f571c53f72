"""A stretch of work that is recorded when it ends, as the parent of everything logged inside."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from provenance_client.content import encode_interaction
from provenance_client.errors import ProvenanceError
from provenance_client.recording.capture import printable, type_name
from provenance_client.recording.fields import LogFields, merged, wire
from provenance_client.recording.scope import Entered, Scope, new_id

log = logging.getLogger(__name__)


class Span(Entered):
    """One interaction with a beginning and an end; `id` is its span, `uow_id` its unit of work.

    Recorded on leaving, dated at entering, with `durationMs` and, after an exception, `error` in its free
    JSON; `outcome` is `success`, `failure` or, when cancelled or interrupted, `unknown`, unless given.
    `add()` puts more into the free JSON.
    """

    def __init__(self, fields: LogFields, scope: Scope, record: Callable[[LogFields], str]) -> None:
        self.id = fields.get("span_id") or new_id()
        self.uow_id = scope.uow_id or new_id()
        self._fields = merged(fields, LogFields(span_id=self.id, uow_id=self.uow_id))
        if scope.span_id:
            self._fields["parent_span_id"] = scope.span_id
        # What is wrong with the arguments is said on entering, not after the work is done.
        encode_interaction(wire(**self._fields))
        self._record = record
        super().__init__(replace(scope, uow_id=self.uow_id, span_id=self.id))

    def add(self, **interaction: Any) -> None:
        """Put keys into the free JSON of the span."""
        self._fields = merged(self._fields, LogFields(interaction=interaction))

    def enter(self) -> None:
        """Begin: from here on `log()` has this span as its parent."""
        self._fields.setdefault("timestamp", datetime.now(UTC))
        self._began = time.perf_counter()
        super().enter()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.leave()
        facts: dict[str, Any] = {"durationMs": round((time.perf_counter() - self._began) * 1000, 3)}
        if error is not None:
            facts["error"] = {"type": type_name(error), "message": printable(str(error))}
        self._fields.setdefault("outcome", _outcome(error))
        try:
            self._record(merged(LogFields(interaction=facts), self._fields))
        except ProvenanceError as trouble:
            if error is None:
                raise
            # The caller's own exception is on its way and matters more than ours.
            log.warning("a span was not recorded: %s", trouble)


def _outcome(error: BaseException | None) -> Any:
    if error is None:
        return "success"
    return "failure" if isinstance(error, Exception) else "unknown"
