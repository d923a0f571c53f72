"""The command line as people run it: a process with its own home, stdout, stderr and exit code."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.zygote import Zygote


@dataclass(frozen=True)
class Shell:
    """A person's shell: a home folder of its own and nothing of ours in the environment."""

    home: Path
    settings: Mapping[str, str]
    zygote: Zygote | None = None

    @property
    def environment(self) -> dict[str, str]:
        ours = ("PROVENANCE_", "XDG_", "GIT_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        folders = {f"XDG_{kind}_HOME": str(self.home / kind.lower()) for kind in ("CONFIG", "STATE", "DATA")}
        quiet = {"PROVENANCE_DATA_DIR": str(self.home / "data"), "NO_COLOR": "1"}
        kept.pop("COLUMNS", None)
        return {**kept, "HOME": str(self.home), **folders, **quiet, **self.settings}

    def run(
        self, *arguments: str, stdin: str | bytes = b"", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        whole = {**self.environment, **(env or {})}
        if self.zygote and not env:
            return self.zygote.run(arguments, given, whole)
        command = [sys.executable, "-m", "provenance", *arguments]
        done = subprocess.run(command, input=given, capture_output=True, env=whole, timeout=60)
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command that runs until it is stopped."""
        return subprocess.Popen(
            [sys.executable, "-m", "provenance", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env=self.environment,
            text=True,
        )


def interrupt(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Press Ctrl-C and return the rest of what was printed."""
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=20)


@dataclass(frozen=True)
class Person:
    """Somebody at a shell; commands are awaited, because the server lives in the test's own event loop."""

    shell: Shell

    async def run(
        self, *arguments: str, stdin: str | bytes = b"", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever that is."""
        return await asyncio.to_thread(self.shell.run, *arguments, stdin=stdin, env=env)

    async def get(self, *arguments: str, stdin: str | bytes = b"") -> str:
        """Run a command that succeeds without a word on stderr, and return what it prints."""
        done = await self.run(*arguments, stdin=stdin)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    async def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """Run a search and return its rows."""
        lines = (await self.get("search", *arguments, "--ndjson")).splitlines()
        return [json.loads(line) for line in lines]
