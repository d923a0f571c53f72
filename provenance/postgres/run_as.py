"""Who runs the PostgreSQL programs: ourselves, ourselves as `nobody` in a user namespace, or an OS account.

PostgreSQL refuses to run as root. As root the order is: a user namespace, then the account `provenance` with
a copy of the programs below `/var/lib/provenance`, then a refusal with the exact cure. Each way is tried for
real before it is chosen. Folders above our own are never changed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from . import account
from .binaries import Binaries
from .errors import NotPermitted

Mode = Literal["self", "namespace", "account"]
RootMode = Literal["auto", "namespace", "account"]


class OsAccount(NamedTuple):
    """The account that runs PostgreSQL for root, and the folder for its copy of the programs and its data."""

    name: str
    home: Path


PRODUCT_ACCOUNT = OsAccount("provenance", Path("/var/lib/provenance"))
_LAUNCHER = str(Path(__file__).with_name("namespace.py"))


class RunAs(NamedTuple):
    """One way to run the programs.

    `uid` and `gid` own the server's files; `prefix` goes before every command; `binaries` are the programs
    this user can reach; `reason` is one line for people.
    """

    mode: Mode
    uid: int
    gid: int
    binaries: Binaries
    reason: str
    prefix: tuple[str, ...] = ()

    def start(
        self,
        command: Sequence[str],
        *,
        stdin: int = subprocess.DEVNULL,
        output: int = subprocess.DEVNULL,
        before: Sequence[str] = (),
    ) -> subprocess.Popen[bytes]:
        """Start a program as this user in a session of its own; standard output and error go to `output`.

        `before` is put in front of the whole command line (see `watchdog.announced`).
        """
        other = self.mode == "account"
        return subprocess.Popen(  # noqa: S603  (PostgreSQL programs and /bin/sh, by path)
            [*before, *self.prefix, *command],
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=program_environment(),
            start_new_session=True,
            user=self.uid if other else None,
            group=self.gid if other else None,
            extra_groups=[] if other else None,
        )

    def run(self, command: Sequence[str], *, text: str = "") -> tuple[int, str]:
        """Run a program to its end with `text` as its input; return its status and all it printed."""
        process = self.start(command, stdin=subprocess.PIPE, output=subprocess.PIPE)
        try:
            printed, _ = process.communicate(text.encode())
        except BaseException:
            process.kill()
            process.wait()
            raise
        return process.returncode, printed.decode(errors="replace")

    def own(self, path: Path) -> None:
        """Give a file or folder of ours to the user that runs the server."""
        if self.mode == "account":
            os.chown(path, self.uid, self.gid)

    def reaches(self, folder: Path) -> bool:
        """Tell whether this user can pass through `folder`."""
        return self.run(["/bin/sh", "-c", 'test -x "$0/."', str(folder)])[0] == 0


def program_environment() -> dict[str, str]:
    """Return the environment for PostgreSQL programs: ours without the PG* variables that redirect them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C"}


def choose(
    data_dir: Path,
    programs: Binaries,
    root_mode: RootMode = "auto",
    *,
    os_account: OsAccount = PRODUCT_ACCOUNT,
    create: bool = True,
) -> RunAs:
    """Choose who runs the server of `data_dir`.

    With `create=False` nothing is made (no account, no copy): the answer is what would be used.

    Raises:
        NotPermitted: we are root and neither way is open.

    """
    if os.geteuid() != 0:
        return RunAs("self", os.geteuid(), os.getegid(), programs, "an ordinary user runs it directly")
    obstacles: list[str] = []
    if root_mode in ("auto", "namespace"):
        candidate = _in_namespace(programs)
        status, output = candidate.run(["--writes", str(data_dir), programs.program("postgres"), "--version"])
        if status == 0:
            return candidate
        obstacles.append(f"user namespace: {output.strip() or f'status {status}'}")
    if root_mode in ("auto", "account"):
        why = obstacles[0] if obstacles else "asked for"
        try:
            return _as_account(programs, os_account, why, create=create)
        except (OSError, subprocess.CalledProcessError, NotPermitted) as error:
            obstacles.append(f"account {os_account.name}: {error}")
    raise NotPermitted(
        "PostgreSQL must not run as root, and neither way around it is open ("
        + "; ".join(obstacles)
        + "). Run as an ordinary user, allow user namespaces (`sysctl -w user.max_user_namespaces=10000`), "
        + f"or make the account: `useradd --system --no-create-home {os_account.name}`."
    )


def _in_namespace(programs: Binaries) -> RunAs:
    prefix = (sys.executable, "-I", "-S", "-E", _LAUNCHER)
    return RunAs("namespace", 0, 0, programs, "root, as nobody in a user namespace", prefix)


def _as_account(programs: Binaries, os_account: OsAccount, why: str, *, create: bool) -> RunAs:
    name, home = os_account
    reason = f"root, as the account {name} ({why})"
    if not create:
        found = account.find(name)
        uid, gid = found if found else (-1, -1)
        return RunAs("account", uid, gid, programs, reason + ("" if found else ", which will be made"))
    uid, gid = account.find(name) or account.make(name, home)
    account.open_home(home, gid)
    copied = account.copy_programs(programs, home)
    candidate = RunAs("account", uid, gid, copied, reason)
    # `initdb` needs the libraries beside the programs; `postgres` alone would not miss them.
    status, output = candidate.run([copied.program("initdb"), "--version"])
    if status != 0:
        raise NotPermitted(output.strip() or f"cannot run {copied.program('initdb')}")
    return candidate
