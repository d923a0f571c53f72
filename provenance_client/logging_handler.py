"""The standard library's logging as interactions."""

from __future__ import annotations

import logging
from typing import Any

from provenance_client.provenance import Recording
from provenance_client.recording.capture import describe, printable
from provenance_client.recording.fields import LogFields, merged
from provenance_client.recording.sender import in_sender_thread


class ProvenanceHandler(logging.Handler):
    """Records each log record at or above `level`: resource `LOGGER` / the logger's name, action the
    level's name.

    `logger.error("…", extra={"provenance": {"resource_type": "ORDER", "resource_id": "o-1"}})` says more,
    with `log()`'s arguments. What the sender itself logs is left out: each request would otherwise cause
    the next.
    """

    def __init__(self, provenance: Recording, level: int | str = logging.WARNING) -> None:
        super().__init__(level)
        self._provenance = provenance

    def emit(self, record: logging.LogRecord) -> None:
        """Record one log record; a failure goes to `handleError`, never to the caller."""
        if in_sender_thread():
            return
        try:
            extra: LogFields = getattr(record, "provenance", None) or LogFields()
            self._provenance.record(**merged(_fields(record), extra))
        except Exception:
            self.handleError(record)


def _fields(record: logging.LogRecord) -> LogFields:
    facts: dict[str, Any] = {
        "message": printable(record.getMessage()),
        "logger": record.name,
        "level": record.levelname,
        "file": record.pathname,
        "line": record.lineno,
        "function": record.funcName,
    }
    fields = LogFields(
        resource_type="LOGGER",
        resource_id=record.name[:512],
        action=_mnemonic(record.levelname),
        interaction=facts,
    )
    if record.exc_info and record.exc_info[1]:
        facts["exception"] = describe(record.exc_info[1])
        fields["outcome"] = "failure"
    return fields


def _mnemonic(level: str) -> str:
    return (
        "".join(character if character.isascii() and character.isalnum() else "_" for character in level)[:64] or "LOG"
    )
