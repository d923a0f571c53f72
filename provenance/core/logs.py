"""Structured logs: one JSON object a line on standard error (or a coloured line for people)."""

import logging
import sys
import threading
import traceback
from types import TracebackType
from typing import Any

import structlog

from provenance.core.masking import mask, mask_secrets
from provenance.core.settings import Settings

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(settings: Settings, process: str) -> None:
    """Set up logging for one process; lines of libraries take the same form, and none of them says a secret."""
    level = _LEVELS[settings.log_level]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask_secrets,
    ]
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
    sys.excepthook = _say_last_words
    threading.excepthook = lambda last: _say_last_words(last.exc_type, last.exc_value, last.exc_traceback)


def _say_last_words(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    """Write what ends a process or thread as Python would, without secrets."""
    sys.stderr.write(mask("".join(traceback.format_exception(kind, error, trace))))
