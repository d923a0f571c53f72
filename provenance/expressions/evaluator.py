"""Evaluating what may cost anything: bounded expressions here and at once, others in processes that can be stopped."""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from provenance.expressions.errors import ExpressionError
from provenance.expressions.expression import RESULT_BYTES, Expression, Kind
from provenance.expressions.shapes import Shape

WALL_SECONDS: Final = 10.0
"""Longest an evaluation may take on a busy machine; its processor time is bounded more tightly."""
ASKED_BYTES: Final = 16 << 20
_ENDED: Final = "the expression takes more time or memory than it may: 100 ms and 256 MB"


class Evaluator:
    """Evaluates expressions. Its processes are begun when they are first needed, and stay."""

    def __init__(self, processes: int = 2) -> None:
        """Take how many evaluations of unbounded expressions may go on at once."""
        self._free: asyncio.LifoQueue[Process | None] = asyncio.LifoQueue()
        for _ in range(processes):
            self._free.put_nowait(None)
        self._count = processes

    async def value(self, expression: Expression, values: Mapping[str, Any]) -> Any:
        """Return the value of an expression, as `Expression.value` does. Raises ExpressionError."""
        if expression.bounded:
            return expression.value(values)
        asked = _frame(expression, values)
        process = await self._free.get()
        whole = False
        try:
            if process is None or process.returncode is not None:
                process = await _begin()
            async with asyncio.timeout(WALL_SECONDS):
                answer = await _ask(process, asked)
            whole = True
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            raise ExpressionError(_ENDED) from None
        finally:
            # A process that was left in the middle of an answer is of no use to the next who asks.
            if not whole and process is not None:
                await _end(process)
            self._free.put_nowait(process if whole else None)
        return _read(answer)

    async def holds(self, expression: Expression, values: Mapping[str, Any]) -> bool:
        """Tell whether a condition holds, as `Expression.holds` does. Raises ExpressionError."""
        found = await self.value(expression, values)
        if found is True or found is False:
            return found
        raise ExpressionError("the condition gives neither true nor false")

    async def close(self) -> None:
        """End the processes."""
        for _ in range(self._count):
            process = await self._free.get()
            if process is not None:
                await _end(process)
        for _ in range(self._count):
            self._free.put_nowait(None)


def _frame(expression: Expression, values: Mapping[str, Any]) -> bytes:
    asked = {
        "source": expression.source,
        "variables": [(name, _kind(kind)) for name, kind in expression.variables],
        "values": {name: values[name] for name in expression.reads if name in values},
    }
    body = msgspec.json.encode(asked)
    if len(body) > ASKED_BYTES:
        raise ExpressionError(f"the values it reads are larger than {ASKED_BYTES >> 20} MiB")
    return len(body).to_bytes(4, "big") + body


def _kind(kind: Kind) -> str | dict[str, str]:
    return {"schema": kind.text} if isinstance(kind, Shape) else kind.value


async def _begin() -> Process:
    """Begin a process that knows nothing of ours but where Python finds the code."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "provenance.expressions.child",
        stdin=PIPE,
        stdout=PIPE,
        env={name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG") if name in os.environ},
        limit=2 * RESULT_BYTES,
    )


async def _ask(process: Process, asked: bytes) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(asked)
    await process.stdin.drain()
    size = int.from_bytes(await process.stdout.readexactly(4), "big")
    return await process.stdout.readexactly(size)


async def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def _read(answer: bytes) -> Any:
    found: dict[str, Any] = msgspec.json.decode(answer)
    if "error" in found:
        raise ExpressionError(found["error"], missing=found["missing"])
    return found["value"]
