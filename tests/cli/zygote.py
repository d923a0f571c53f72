"""A process that has loaded the command line once and becomes one command after another by forking.

Most of a command's second is Python loading libraries; the tests run a hundred of them. Each is still a process of its
own with its own environment, files and exit code. `test_main.py` starts commands the ordinary way.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, Self

LOADED = (
    *(
        f"provenance.cli.{name}"
        for name in (
            "main",
            "app",
            "track",
            "search",
            "trace",
            "imports",
            "catalogue",
            "config",
            "verify",
            "proof",
            "evidence",
        )
    ),
    *(f"provenance.cli.{name}" for name in ("follow", "listing", "table", "terminal", "strict_json", "progress")),
    *(f"provenance.cli.importers.{name}" for name in ("delivery", "git", "github", "journal", "ndjson")),
    *("provenance_client", "rich.table", "rich.tree", "platformdirs", "typer._adapters"),
)


class Zygote:
    """Starts commands, one at a time."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.cli.zygote"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._turn = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, arguments: Sequence[str], stdin: bytes, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        with self._turn, tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / name for name in ("in", "out", "err")]
            files[0].write_bytes(stdin)
            order = {"arguments": list(arguments), "env": env, "files": [str(path) for path in files]}
            assert self._process.stdin
            assert self._process.stdout
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            return subprocess.CompletedProcess(order["arguments"], code, files[1].read_text(), files[2].read_text())


def serve() -> None:
    """Read orders and answer exit codes until nobody orders any more."""
    for name in LOADED:
        import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            become(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def become(order: dict[str, Any]) -> NoReturn:
    """Be the command that is ordered, to its end."""
    from provenance.cli.main import main

    os.environ.clear()
    os.environ.update(order["env"])
    for number, path in enumerate(order["files"]):
        os.dup2(os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT), number)
    sys.stdin = os.fdopen(0, encoding="utf-8")
    sys.argv = ["provenance", *order["arguments"]]
    code: Any = 1
    try:
        main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    serve()
