"""Scenario `skills`: calls of a skill in the sandbox, from the first to a stream of them, beside a bare fork and exec.

The limit to compare with is what any runner that starts a program for each call pays: forking and executing ``true``,
and the Python interpreter that does nothing.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench import cpu
from bench.report import Report
from provenance.skills.sandbox.level import described
from provenance.skills.sandbox.runner import Sandbox
from provenance.skills.sandbox.schemas import Job, Runtime

CODE = {
    Runtime.PYTHON3: ("main.py", "main:run", "def run(input):\n    return {'sum': sum(input['n'])}\n"),
    Runtime.NODE: ("main.mjs", "main.mjs:run", "export const run = (i) => ({ sum: i.n.reduce((a, b) => a + b) });\n"),
}
CALLS, AT_ONCE, SLOTS = 100, 400, 4
AHEAD_SECONDS = 2.0
"""How long before its first call a fork server is started: it imports in less."""


def skills(report: Report) -> None:
    """Measure both runtimes, then the bare limit."""
    for runtime in CODE:
        asyncio.run(_measure(report, runtime))
    _bare(report, "limit: fork and exec of /bin/true", ["/bin/true"])
    _bare(report, "limit: fork and exec of python3 -I -S -c ''", [sys.executable, "-I", "-S", "-c", ""])


async def _measure(report: Report, runtime: Runtime) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        name, entry, text = CODE[runtime]
        Path(folder, name).write_text(text)
        sandbox = Sandbox(slots=SLOTS)
        job = Job(runtime=runtime, package=Path(folder), entry=entry, input={"n": [1, 2, 3]})

        async def call() -> None:
            await _called(sandbox, job)

        try:
            first = await _timed(call)
            server = await sandbox.server(runtime)
            spent = cpu.of_tree(server.process_id) * 1000
            note = f"{spent:.0f} ms of processor time; {described(server.level)}"
            report.add("skills", f"{runtime.value}: first call of a process", first * 1000, "ms", note)
            ahead = await _started_ahead(job) * 1000
            report.add("skills", f"{runtime.value}: first call of a process that was started ahead", ahead, "ms")
            one_by_one = sorted([await _timed(call) for _ in range(CALLS)])
            for share in (50, 99):
                value = one_by_one[CALLS * share // 100 - 1] * 1000
                report.add("skills", f"{runtime.value}: warm call, one at a time, p{share}", value, "ms")
            await _stream(report, runtime, server.process_id, call)
        finally:
            await sandbox.close()


async def _started_ahead(job: Job) -> float:
    sandbox = Sandbox(slots=SLOTS)
    try:
        await sandbox.server(job.runtime)
        await asyncio.sleep(AHEAD_SECONDS)
        return await _timed(lambda: _called(sandbox, job))
    finally:
        await sandbox.close()


async def _called(sandbox: Sandbox, job: Job) -> None:
    outcome = await sandbox.run(job)
    assert outcome.error is None, outcome.error


async def _stream(report: Report, runtime: Runtime, server: int, call: Callable[[], Awaitable[None]]) -> None:
    used, began = cpu.of_tree(server), time.perf_counter()
    await asyncio.gather(*(call() for _ in range(AT_ONCE)))
    seconds = time.perf_counter() - began
    spent = (cpu.of_tree(server) - used) / AT_ONCE * 1000
    note = f"{spent:.1f} ms of processor time a call"
    report.add("skills", f"{runtime.value}: calls, {SLOTS} at once", AT_ONCE / seconds, "/s", note)


async def _timed(call: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await call()
    return time.perf_counter() - began


def _bare(report: Report, name: str, command: list[str]) -> None:
    taken = []
    for _ in range(CALLS):
        began = time.perf_counter()
        subprocess.run(command, check=True)
        taken.append(time.perf_counter() - began)
    report.add("skills", f"{name}, p50", sorted(taken)[CALLS // 2] * 1000, "ms")
