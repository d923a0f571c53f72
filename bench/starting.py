"""Scenario `start`: how long `provenance up` takes to its first answer, and what it costs when idle."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import cpu
from bench.report import Report
from bench.stack import answers, free_port

SETTLED_SECONDS = 40.0
"""By then the worker has started, and connections that only the start needed have been closed."""
IDLE_SECONDS = 5.0
PATIENCE = 60


def start(report: Report) -> None:
    """Start a fresh installation, measure it idle, stop it, start it again."""
    with tempfile.TemporaryDirectory(prefix="provenance-bench-") as folder:
        data = Path(folder)
        seconds, process = _up(data)
        note = "initdb, migrations and the first start's password hash"
        report.add("start", "provenance up on an empty folder, first answer", seconds, "s", note)
        _idle(report, process)
        _stop(process)
        seconds, process = _up(data)
        note = "loading the server's libraries"
        report.add("start", "provenance up again, first answer", seconds, "s", note)
        _stop(process)


def _up(data: Path) -> tuple[float, "subprocess.Popen[bytes]"]:
    port = free_port()
    command = [sys.executable, "-m", "provenance", "up", "--data", str(data), "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    began = time.monotonic()
    with (data / "up.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    while not answers(port):
        if process.poll() is not None or time.monotonic() - began > PATIENCE:
            raise SystemExit("provenance up did not start:\n" + (data / "up.log").read_text()[-2000:])
        time.sleep(0.01)
    return time.monotonic() - began, process


def _idle(report: Report, process: "subprocess.Popen[bytes]") -> None:
    time.sleep(SETTLED_SECONDS)
    tree = [process.pid, *cpu.descendants(process.pid)]
    used, began = cpu.of_tree(process.pid), time.monotonic()
    time.sleep(IDLE_SECONDS)
    share = (cpu.of_tree(process.pid) - used) / (time.monotonic() - began)
    report.add(
        "start", "memory of all processes, idle", cpu.proportional_bytes(tree) / 1e6, "MB PSS", f"{len(tree)} processes"
    )
    report.add("start", "processor, idle", share * 100, "% of one")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    process.wait(30)
