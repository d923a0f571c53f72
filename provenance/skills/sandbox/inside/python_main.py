"""Calls the handler of a Python skill, in a process that is in the jail already.

The input is read from standard input; what the skill prints goes to the log, as do its standard error and its
``logging``. The one thing on the descriptor for the answer is ``{"output": …}`` or ``{"error": {code, message}}``.
"""

import asyncio
import errno
import importlib
import inspect
import io
import json
import logging
import os
import random
import sys
import traceback
from typing import Any, NamedTuple, TextIO

from provenance.skills.sandbox.inside import package_tests, provenance_skill
from provenance.skills.sandbox.inside.jail import Limits, Place

VENDORED = "vendor"
_REFUSED = (errno.EPERM, errno.EACCES)


class Streams(NamedTuple):
    """The descriptors of a call; ``egress`` is -1 for a skill that reaches nothing outside."""

    input: int
    answer: int
    log: int
    egress: int


def prepare(place: Place, streams: Streams) -> None:
    """Make the process one that knows nothing of the platform's: environment, streams, paths, randomness."""
    os.environ.clear()
    os.environ.update(HOME=place.private, TMPDIR=place.private, LANG="C.UTF-8", PATH="")
    os.chdir(place.private)
    os.dup2(streams.log, 1)
    os.dup2(streams.log, 2)
    sys.stdout, sys.stderr = _text_stream(1), _text_stream(2)
    sys.path[:0] = [place.package, os.path.join(place.package, VENDORED)]
    sys.modules["provenance_skill"] = provenance_skill
    sys.dont_write_bytecode = True
    random.seed()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s", force=True)
    provenance_skill._channel = streams.egress


def _text_stream(descriptor: int) -> TextIO:
    raw = io.FileIO(descriptor, "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True)


def run(entry: str, place: Place, streams: Streams, limits: Limits) -> None:
    """Call the handler ``module:function`` and write what it gives."""
    prepare(place, streams)
    answer = _answer(entry, place, streams.input)
    with open(streams.answer, "wb", closefd=False) as file:
        file.write(answer)


def _answer(entry: str, place: Place, source: int) -> bytes:
    try:
        with open(source, "rb", closefd=False) as file:
            given = json.load(file)
        provenance_skill.secrets.update(given["secrets"])
        provenance_skill.idempotency_key = given["idempotencyKey"]
        output = package_tests.run(place) if entry == package_tests.ENTRY else _called(entry, given["input"])
        return json.dumps({"output": output}, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except BaseException as error:
        return json.dumps({"error": described(error, place)}).encode()


def _called(entry: str, given: Any) -> Any:
    module, _, function = entry.partition(":")
    output = getattr(importlib.import_module(module), function)(given)
    return asyncio.run(_awaited(output)) if inspect.isawaitable(output) else output


async def _awaited(value: Any) -> Any:
    return await value


def described(error: BaseException, place: Place) -> dict[str, Any]:
    """Say in one line what went wrong, and where in the package; the trace goes to the log."""
    where, source = _where(error, place)
    if isinstance(error, provenance_skill.Failed):
        return {"code": error.code, "message": str(error)}
    if isinstance(error, MemoryError):
        return {"code": "memory_exceeded", "message": f"The skill needs more memory than its limit{where}."}
    traceback.print_exception(error)
    if isinstance(error, OSError) and error.errno in _REFUSED and where:
        return {"code": "sandbox_refused", "message": f"The sandbox does not allow this{where}: {source}"}
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return {"code": "skill_failed", "message": f"{text[:500]}{where}"}


def _where(error: BaseException, place: Place) -> tuple[str, str]:
    inside = [each for each in traceback.extract_tb(error.__traceback__) if each.filename.startswith(place.package)]
    if not inside:
        return "", ""
    name = os.path.relpath(inside[-1].filename, place.package)
    return f" ({name}, line {inside[-1].lineno})", inside[-1].line or ""
