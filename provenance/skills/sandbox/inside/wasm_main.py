"""Runs a WASI program, in a process that is in the jail already: input on standard input, output on standard output.

The program sees no folder, no environment and no clock but WASI's; its memory is bounded by the store.
"""

import json
import os
from importlib.metadata import version

import wasmtime

from provenance.skills.sandbox.inside.jail import Limits, Place
from provenance.skills.sandbox.inside.python_main import Streams

VERSION = version("wasmtime")
_MEBI = 1024 * 1024
_OUTPUT_BYTES = 6 * _MEBI


def run(entry: str, place: Place, streams: Streams, limits: Limits) -> None:
    """Run the program and write what it gave."""
    os.environ.clear()
    os.dup2(streams.log, 2)
    answer = _answer(entry, place, streams.input, limits)
    with open(streams.answer, "wb", closefd=False) as file:
        file.write(json.dumps(answer).encode())


def _answer(entry: str, place: Place, source: int, limits: Limits) -> dict[str, object]:
    given, output = os.path.join(place.private, "input"), os.path.join(place.private, "output")
    try:
        with open(source, "rb", closefd=False) as file, open(given, "w", encoding="utf-8") as copy:
            json.dump(json.load(file)["input"], copy)
        status = _run(os.path.join(place.package, entry), given, output, limits)
        if status:
            return _error("skill_failed", f"The program ended with status {status}.")
        with open(output, "rb") as file:
            read = file.read(_OUTPUT_BYTES + 1)
        if len(read) > _OUTPUT_BYTES:
            return _error("output_too_large", f"The program wrote more than {_OUTPUT_BYTES // _MEBI} MiB.")
        return {"output": json.loads(read)}
    except ValueError:
        return _error("no_output", "The program's standard output is no JSON.")
    except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
        return _error(*_trapped(str(error)))


def _run(program: str, given: str, output: str, limits: Limits) -> int:
    config = wasmtime.Config()
    config.parallel_compilation = False
    engine = wasmtime.Engine(config)
    store = wasmtime.Store(engine)
    store.set_limits(memory_size=limits.memory_mb * _MEBI)
    wasi = wasmtime.WasiConfig()
    wasi.stdin_file, wasi.stdout_file = given, output
    wasi.inherit_stderr()
    store.set_wasi(wasi)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    instance = linker.instantiate(store, wasmtime.Module.from_file(engine, program))
    start = instance.exports(store).get("_start")
    if not isinstance(start, wasmtime.Func):
        raise wasmtime.WasmtimeError("it exports no function _start")
    try:
        start(store)
    except wasmtime.ExitTrap as trap:
        return int(trap.code)
    return 0


def _trapped(text: str) -> tuple[str, str]:
    """Say in one line why a program was ended."""
    first = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it was trapped")
    if "memory" in text and "limit" in text:
        return "memory_exceeded", "The program needs more memory than its limit."
    return "skill_failed", f"The program was ended: {first[:300]}"


def _error(code: str, message: str) -> dict[str, object]:
    return {"error": {"code": code, "message": message}}
