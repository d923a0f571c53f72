"""The process that evaluates an expression whose cost is not known beforehand.

Reads frames of four bytes of length and JSON from its input, answers alike. The kernel ends it when an evaluation takes
more processor time than it may; what memory it may ask for is bounded too. It opens nothing and knows no secret.
"""

import resource
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from provenance.expressions.errors import ExpressionError, InvalidExpression
from provenance.expressions.expression import Kind, compile_expression
from provenance.expressions.shapes import Shape
from provenance.expressions.types import Type

CPU_SECONDS: Final = 0.1
MEMORY_BYTES: Final = 256 << 20
_PAGE: Final = 4096


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer frames until the input ends."""
    while len(head := source.read(4)) == 4:
        asked: Mapping[str, Any] = msgspec.json.decode(source.read(int.from_bytes(head, "big")))
        answer = msgspec.json.encode(_answer(asked))
        sink.write(len(answer).to_bytes(4, "big") + answer)
        sink.flush()


def _answer(asked: Mapping[str, Any]) -> dict[str, Any]:
    try:
        expression = compile_expression(asked["source"], {name: _kind(kind) for name, kind in asked["variables"]})
        signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
        try:
            return {"value": expression.value(asked["values"])}
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except ExpressionError as error:
        return {"error": error.issue, "missing": error.missing}
    except InvalidExpression as error:
        return {"error": error.issue, "missing": False}
    except MemoryError:
        return {"error": "the expression takes more memory than it may: 256 MB", "missing": False}


def _kind(written: str | Mapping[str, str]) -> Kind:
    return Type(written) if isinstance(written, str) else Shape(msgspec.json.decode(written["schema"]))


def _bound() -> None:
    """Let the process grow by so much from here, and leave no core behind when it is ended."""
    now = int(Path("/proc/self/statm").read_text().split()[0]) * _PAGE
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY_BYTES, now + MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def main() -> None:
    """Warm the engine up, bound the process, serve."""
    compile_expression("[1].map(x, x)", {}).value({})
    _bound()
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
