"""Calls of the sandbox and what becomes of them."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import msgspec

OUTPUT_BYTES: Final = 6 * 1024 * 1024
"""Most bytes of an output, and of a log."""
KEPT_LOG_LINES: Final = 1_000
KEPT_LINE: Final = 4_000


class Runtime(StrEnum):
    """What a skill is written for."""

    PYTHON3 = "python3"
    NODE = "node"
    WASM = "wasm"


class LogLine(msgspec.Struct, frozen=True):
    """A line that a skill wrote; ``at`` is in nanoseconds since the epoch."""

    at: int
    level: str
    message: str


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A call: of which handler of which unpacked package, with what, within which limits.

    ``on_log`` is handed each line while the code still runs.
    """

    runtime: Runtime
    package: Path
    entry: str
    input: Any
    secrets: dict[str, str] = {}
    idempotency_key: str | None = None
    seconds: float = 30.0
    memory_mb: int = 256
    private_mb: int = 64
    cpu: int = 1
    on_log: Callable[[LogLine], None] | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a call. Without an ``error`` there is an ``output``, any JSON.

    ``error`` is ``{code, message}``: one clear line. Times are milliseconds, ``peak_kb`` is of resident memory.
    """

    output: Any = None
    error: dict[str, str] | None = None
    logs: list[LogLine] = []
    duration_ms: float = 0
    cpu_ms: int = 0
    peak_kb: int = 0
