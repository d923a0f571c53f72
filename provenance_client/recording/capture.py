"""An exception as an interaction: its type, message, causes and where it happened.

Never the values of variables.
"""

from __future__ import annotations

import traceback
from itertools import islice
from typing import Any

from provenance_client.recording.fields import LogFields

_MAX_FRAMES = 50
_MAX_CAUSES = 10
_MAX_MESSAGE = 8_000


def exception_fields(error: BaseException) -> LogFields:
    """Resource `EXCEPTION` / `module.Type`, action `RAISE`, outcome `failure`.

    The free JSON describes the error.
    """
    return LogFields(
        resource_type="EXCEPTION",
        resource_id=type_name(error)[:512],
        action="RAISE",
        outcome="failure",
        interaction=describe(error),
    )


def describe(error: BaseException) -> dict[str, Any]:
    """`{type, message, stack, causes}`; the stack is innermost last, each frame `{file, line, function}`."""
    causes = islice(_causes(error), _MAX_CAUSES)
    return {**_facts(error), "causes": [_facts(cause) for cause in causes]}


def type_name(error: BaseException) -> str:
    """`module.Type`, without the module for built-in exceptions."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _facts(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)[-_MAX_FRAMES:]
    return {
        "type": type_name(error),
        "message": printable(str(error)),
        "stack": [{"file": frame.filename, "line": frame.lineno, "function": frame.name} for frame in frames],
    }


def _causes(error: BaseException) -> Any:
    seen = {id(error)}
    while True:
        above = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if above is None or id(above) in seen:
            return
        seen.add(id(above))
        yield above
        error = above


def printable(text: str) -> str:
    """Text that any ledger takes: bounded, without U+0000 and lone surrogates, the cut marked."""
    clean = text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
    return clean if len(clean) <= _MAX_MESSAGE else clean[:_MAX_MESSAGE] + "…"
