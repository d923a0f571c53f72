"""How a fork server starts: as soon as it can take a call, for the first call waits for that.

It begins with few modules; the others are imported between calls (`FURTHER`). While it imports them, a process of its
own tries the jail. Nothing is collected as garbage until all is there.
"""

import gc
import json
import os
import signal
import socket
import sys
from typing import NamedTuple

from provenance.skills.sandbox.inside import jail, landlock, seccomp
from provenance.skills.sandbox.inside.folders import new_folder
from provenance.skills.sandbox.inside.jail import Jail, Level, Limits
from provenance.skills.sandbox.inside.zygote import Main, Zygote

FURTHER = (
    "shutil", "random", "threading", "traceback", "logging", "datetime", "decimal", "base64", "csv", "hashlib", "email",
    "urllib.parse", "html.parser", "uuid", "ast", "inspect", "subprocess", "concurrent.futures", "ssl", "asyncio",
)  # fmt: skip
"""Modules that many Python skills use: imported one by one, those that others import first, while no call waits."""


class Runs(NamedTuple):
    """What calls a handler of a runtime, the runtime's version, and what is still to be imported."""

    main: Main
    version: str
    further: tuple[str, ...] = ()


class Trial:
    """Finds out what confines code here, by building a jail in a process that then ends."""

    def __init__(self, runtime: str) -> None:
        """Leave the network, and begin."""
        self._runtime = runtime
        network, mounts = jail.leave_network()
        self._level = Level(landlock.version(), seccomp.available(), mounts, network, own_user=os.geteuid() == 0)
        self._folders = [new_folder() for _ in range(3)]
        self._first = self._begun(self._level)

    def level(self) -> Level:
        """Return the highest level that holds, once the trial is over."""
        if _holds(self._first):
            found = self._level
        else:
            lesser = (self._level._replace(mounts=False), self._level._replace(mounts=False, landlock=0))
            nothing = self._level._replace(mounts=False, landlock=0, seccomp=False)
            found = next((level for level in lesser if _holds(self._begun(level))), nothing)
        for each in self._folders:
            os.rmdir(each)
        return found

    def _begun(self, level: Level) -> int:
        folder, package, private = self._folders
        pid = os.fork()
        if pid == 0:
            try:
                own = Jail(self._runtime, level, folder)
                own.make_ready()
                own.enter(package, private, Limits(5, 64, 1, 1))
                os._exit(0)
            finally:
                os._exit(1)
        return pid


def _holds(pid: int) -> bool:
    return os.waitpid(pid, 0)[1] == 0


def main(runtime: str, descriptor: int, warm: int) -> None:
    """Serve calls of a runtime; the owner's socket is inherited. Ends where the machine has no such runtime."""
    gc.disable()
    control = socket.socket(fileno=descriptor)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    trial = Trial(runtime)
    try:
        runs = _runs(runtime)
    finally:
        level = trial.level()
    control.send(json.dumps({"level": level, "version": runs.version}).encode())
    Zygote(control, Jail(runtime, level, new_folder()), level, runs.main, warm, runs.further).run()


def _runs(runtime: str) -> Runs:
    """Import what calls handlers of a runtime. Raises OSError and ImportError where this machine has none."""
    if runtime == "node":
        from provenance.skills.sandbox.inside import node_main

        return Runs(node_main.run, node_main.version())
    if runtime == "wasm":
        from provenance.skills.sandbox.inside import wasm_main

        return Runs(wasm_main.run, wasm_main.VERSION)
    from provenance.skills.sandbox.inside import python_main

    return Runs(python_main.run, sys.version.split()[0], FURTHER)
