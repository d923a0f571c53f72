"""The watchdog: a shell in a session of its own that outlives us by seconds and leaves nothing running.

It reads `process PID`, `postmaster PID` and `ended PID` lines from a pipe. When the pipe closes without a
`bye`, its writer is dead: it ends the processes (1.5 s of grace), then the server (fast, after five seconds
immediate, after two more by force). All within ten seconds, in less memory than any Python process needs.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from typing import Literal

#: What a process is to the watchdog: one to end at first, or the server to end last.
Word = Literal["process", "postmaster"]

_SCRIPT = r"""
trap '' INT TERM HUP QUIT
pids=' ' postmaster=
while read -r word pid; do
  case $word in
    postmaster) postmaster=$pid ;;
    process) pids="$pids$pid " ;;
    ended)
      [ "$postmaster" = "$pid" ] && postmaster=
      case $pids in *" $pid "*) pids="${pids%%" $pid "*} ${pids#*" $pid "}" ;; esac ;;
    bye) exit 0 ;;
  esac
done
alive() { for p in $pids; do kill -0 "$p" 2>/dev/null && return 0; done; return 1; }
signal() { for p in $pids; do kill "-$1" "$p" 2>/dev/null; done; }
wait_for() { n=$1; while [ "$n" -gt 0 ] && alive; do sleep 0.1; n=$((n-1)); done; }
signal TERM; wait_for 15; signal KILL
for p in $pids; do kill -KILL -- "-$p" 2>/dev/null; done
pids=$postmaster
signal INT; wait_for 50; signal QUIT; wait_for 20; signal KILL
"""

#: `/bin/sh -c ANNOUNCE WORD PROGRAM...`: write our number on standard input, a pipe, then become the program.
_ANNOUNCE = 'echo "$0 $$" >&0 && exec "$@" </dev/null'


class Watchdog:
    """One watchdog process and the pipe that keeps it waiting.

    `lock` is an open, locked file, if any: the watchdog inherits it, so that a successor can tell that it is
    still at work.
    """

    def __init__(self, lock: int | None = None) -> None:
        read_end, self._pipe = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603  (a fixed script)
                ["/bin/sh", "-c", _SCRIPT, "provenance-watchdog"],
                stdin=read_end,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
                start_new_session=True,
                pass_fds=() if lock is None else (lock,),
            )
        finally:
            os.close(read_end)

    @property
    def pid(self) -> int:
        """Process number of the watchdog."""
        return self._process.pid

    @property
    def pipe(self) -> int:
        """The writing end, to be the standard input of an `announced` command."""
        return self._pipe

    def alive(self) -> bool:
        """Tell whether the watchdog still runs."""
        return self._process.poll() is None

    def watch(self, word: Word, pid: int) -> None:
        """Announce a process that runs already: of an earlier supervisor, or of an earlier watchdog."""
        self._write(f"{word} {pid}\n")

    def forget(self, pid: int) -> None:
        """Take back an announcement: that process has ended and its number may be given to another."""
        self._write(f"ended {pid}\n")

    def dismiss(self) -> None:
        """End the watchdog without letting it end anything."""
        self._write("bye\n")
        os.close(self._pipe)
        self._process.wait()

    def _write(self, line: str) -> None:
        # When somebody has killed the watchdog, `alive` tells, and the supervisor makes another.
        with suppress(BrokenPipeError):
            os.write(self._pipe, line.encode())


def announced(word: Word) -> tuple[str, ...]:
    """Return the prefix of a command that tells the watchdog its number before it begins.

    Run it with the pipe as standard input. The writing end stays open in it until the line is written, so no
    moment exists in which we could die and leave a process the watchdog does not know.
    """
    return ("/bin/sh", "-c", _ANNOUNCE, word)
