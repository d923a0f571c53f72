"""Becomes Node, in a process that is in the jail already, with the program that calls a skill's handler."""

import os
from pathlib import Path

from provenance.skills.sandbox.inside.jail import Limits, Place, program
from provenance.skills.sandbox.inside.python_main import Streams

_PROGRAM = (Path(__file__).with_name("node_main.mjs")).read_text("utf-8")
_ANSWER, _WAY_OUT = 3, 4
_FIRST_FREE = 16


def version() -> str:
    """Start Node to be told its version. Raises OSError where this machine has none, or it does not start."""
    node = program("node")
    if node is None:
        raise FileNotFoundError("node")
    reading, writing = os.pipe()
    pid = os.posix_spawn(node, ["node", "--version"], {}, file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)])
    os.close(writing)
    with open(reading, encoding="utf-8") as file:
        said = file.read()
    if os.waitpid(pid, 0)[1] != 0:
        raise OSError("node does not start")
    return said.strip().removeprefix("v")


def run(entry: str, place: Place, streams: Streams, limits: Limits) -> None:
    """Put the descriptors where the program looks for them, and become Node."""
    node = program("node")
    assert node is not None, "the server does not start without it"
    environment = {"HOME": place.private, "TMPDIR": place.private, "LANG": "C.UTF-8", "PATH": ""}
    if streams.egress >= 0:
        environment["WAY_OUT"] = "1"
    os.chdir(place.private)
    _settle(streams)
    heap = f"--max-old-space-size={limits.memory_mb}"
    arguments = ["node", heap, "--no-warnings", "--input-type=module", "-e", _PROGRAM, "--", entry, place.package]
    os.execve(node, arguments, environment)  # noqa: S606  (no shell is wanted)


def _settle(streams: Streams) -> None:
    """Move the descriptors out of the way first, so that none overwrites another."""
    moved = Streams(*(os.dup2(each, _FIRST_FREE + n) if each >= 0 else -1 for n, each in enumerate(streams)))
    targets = {moved.input: (0,), moved.log: (1, 2), moved.answer: (_ANSWER,), moved.egress: (_WAY_OUT,)}
    for source, places in targets.items():
        for target in places if source >= 0 else ():
            os.dup2(source, target, inheritable=True)
    os.closerange(_WAY_OUT + (streams.egress >= 0), 256)
