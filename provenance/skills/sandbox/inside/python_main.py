"""Calls the handler of a Python skill, in a process that is in the jail already.

The input is read from standard input; what the skill prints goes to the log, as do its standard error and its
``logging``. The one thing on the descriptor for the answer is ``{"output": …}`` or ``{"error": {code, message}}``.

Every module that is imported here is paid for by the first call of a process, so few are; what only some skills use
is imported with them, or by the fork server when it has time (`starting.FURTHER`).
"""

import errno
import importlib
import io
import json
import os
import sys
from collections.abc import Awaitable, Iterator
from importlib.machinery import ModuleSpec, PathFinder
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
    if "random" in sys.modules:  # imported by the fork server: its state would be that of every call
        sys.modules["random"].seed()
    if "logging" in sys.modules:
        _log_to_stderr(sys.modules["logging"])
    else:
        sys.meta_path.insert(0, _Logging)
    provenance_skill._channel = streams.egress


class _Logging:
    """Finds the module ``logging``, which writes to the log from the moment it is imported."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Find it as ever, and have it set up as soon as it is there."""
        found = PathFinder.find_spec(name, path, target) if name == "logging" else None
        if found is None or found.loader is None:
            return None
        load = found.loader.exec_module

        def load_and_set_up(module: Any) -> None:
            load(module)
            _log_to_stderr(module)

        found.loader.exec_module = load_and_set_up  # type: ignore[method-assign]
        return found


def _log_to_stderr(logging: Any) -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s", force=True)


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
    if not isinstance(output, Awaitable):
        return output
    import asyncio

    return asyncio.run(_awaited(output))


async def _awaited(value: Any) -> Any:
    return await value


def described(error: BaseException, place: Place) -> dict[str, Any]:
    """Say in one line what went wrong, and where in the package; the trace goes to the log."""
    where, source = _where(error, place)
    if isinstance(error, provenance_skill.Failed):
        return {"code": error.code, "message": str(error)}
    if isinstance(error, MemoryError):
        return {"code": "memory_exceeded", "message": f"The skill needs more memory than its limit{where}."}
    sys.__excepthook__(type(error), error, error.__traceback__)  # needs no import, which could fail now
    if isinstance(error, OSError) and error.errno in _REFUSED and where:
        return {"code": "sandbox_refused", "message": f"The sandbox does not allow this{where}: {source}"}
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return {"code": "skill_failed", "message": f"{text[:500]}{where}"}


def _where(error: BaseException, place: Place) -> tuple[str, str]:
    inside = [each for each in _passed(error) if each[0].startswith(place.package)]
    if not inside:
        return "", ""
    path, line = inside[-1]
    return f" ({os.path.relpath(path, place.package)}, line {line})", _line(path, line)


def _passed(error: BaseException) -> Iterator[tuple[str, int]]:
    """Yield the files and lines that an error passed, from the outermost."""
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame.f_code.co_filename, trace.tb_lineno
        trace = trace.tb_next


def _line(path: str, number: int) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return next((line.strip() for at, line in enumerate(file, 1) if at == number), "")
    except OSError:
        return ""
