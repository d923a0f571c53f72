"""How much processor time and memory processes used, read from /proc (Linux; elsewhere the figures are missing)."""

import os
from pathlib import Path

_TICK = 1.0 / os.sysconf("SC_CLK_TCK")


def of_process(pid: int) -> float:
    """Return the processor seconds of one process with all its threads and reaped children."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[11:15])) * _TICK


def of_tree(pid: int) -> float:
    """Return the processor seconds of a process and everything below it."""
    return sum(of_process(each) for each in [pid, *descendants(pid)])


def descendants(pid: int) -> list[int]:
    """Return every process below this one."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found[1:]


def proportional_bytes(pids: list[int]) -> int:
    """Return the memory of these processes, pages that several share counted by share (PSS)."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def load_average() -> str:
    """Return the machine's load of the last minute, to be quoted beside the figures."""
    return f"{os.getloadavg()[0]:.1f}"
