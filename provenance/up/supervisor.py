"""The parent of everything: starts it, keeps it alive, stops it in order, and leaves nothing behind."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from provenance.postgres import EmbeddedPostgres, EmbeddedPostgresError
from provenance.postgres.cluster import CONNECTIONS
from provenance.postgres.watchdog import Watchdog

from .child import Child, GaveUp, Patience
from .gate import Gate
from .greeting import CREDENTIALS, disk_warning, greeting, is_ready, port_is_taken
from .plan import NUMBER, Plan
from .siblings import Siblings, adopt_orphans, bury_strangers, names

#: How long a child may take to end after SIGTERM (seconds).
GRACE = 10.0
CONNECTIONS_OF_A_SERVER = 20
_PROBE_EVERY = 0.03
_LOOK_EVERY = 60.0


class _Interrupted(BaseException):
    """A stop was asked for while something that may be broken off was under way."""


class _CannotStart(Exception):
    """The start cannot go on; the text says why and what to do."""


class Supervisor:
    """One `provenance up`: run it once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._database = None if plan.database_url else _database(plan)
        self._own_watchdog: Watchdog | None = None
        self._told_watchdog: Watchdog | None = None
        self._children: list[Child] = []
        self._siblings: Siblings | None = None
        self._database_patience = Patience("PostgreSQL")
        self._database_started = 0.0
        self._asked_to_stop = 0
        self._interruptible = False
        self._greeted = False
        self._warned = False

    def run(self) -> int:
        """Run until SIGINT, SIGTERM or SIGHUP; return 0, or 1 when something could not be kept running."""
        self._listen_to_signals()
        try:
            self._start()
            self._keep_running()
        except _Interrupted:
            pass
        except (EmbeddedPostgresError, _CannotStart, GaveUp) as problem:
            _say(f"error: {problem}", error=True)
            return 1
        finally:
            self._stop()
        return 0

    def _start(self) -> None:
        plan = self._plan
        try:
            plan.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _CannotStart(f"cannot make {plan.data_dir}: {error.strerror}. Give another --data.") from error
        url = plan.database_url or self._prepared_url()
        objection = port_is_taken(plan)
        if objection:
            raise _CannotStart(f"{objection}. Give another one with --port, or stop the one that has it.")
        self._first = not (plan.data_dir / CREDENTIALS).exists()
        self._warn_of_disk()
        environment = plan.child_environment(url)
        for number, name in enumerate(names(plan.servers), start=1):
            command = plan.programs.worker if name == "worker" else plan.programs.serve
            self._children.append(Child(name, command, environment | {NUMBER: str(number)}))
        # It loads its libraries while the database is made, which takes about as long.
        gate = Gate()
        self._siblings = Siblings(plan.servers) if adopt_orphans() else None
        self._children[0].start(self._watchdog(), gate, self._siblings)
        if self._database:
            with self._may_be_interrupted():
                self._database.start()
            self._database_started = time.monotonic()
        gate.open()

    def _prepared_url(self) -> str:
        assert self._database is not None
        with self._may_be_interrupted():
            return self._database.prepare()

    def _keep_running(self) -> None:
        while not self._asked_to_stop:
            watchdog = self._watchdog()
            self._tend_database()
            for child in self._children:
                news = child.tend(watchdog)
                if news:
                    _say(news, error=True)
            self._bury_strangers(watchdog)
            self._greet()
            self._warn_of_disk()
            self._pause(self._next_look())

    def _start_others(self, watchdog: Watchdog) -> None:
        # It may have parted since it was last looked at: a sibling that is not heard of would be there twice.
        self._children[0].catch_up(watchdog)
        for child in self._children[1:]:
            born = self._siblings.take(child.name) if self._siblings else None
            if born is None:
                child.start(watchdog)
            else:
                child.take_over(born, watchdog)
        if self._siblings is not None:
            self._siblings.begin()

    def _bury_strangers(self, watchdog: Watchdog) -> None:
        database = self._database.pid if self._database else None
        own = {watchdog.pid, database, *(child.pid for child in self._children)}
        bury_strangers({pid for pid in own if pid is not None})

    def _tend_database(self) -> None:
        database = self._database
        if database is None or database.pid is not None:
            return
        ending = "ended unexpectedly"
        delay = self._database_patience.after_death(time.monotonic() - self._database_started, ending)
        _say(f"PostgreSQL {ending}; starting it again in {delay:g} s", error=True)
        self._pause(delay)
        self._database_started = time.monotonic()
        with self._may_be_interrupted():
            database.start()

    def _greet(self) -> None:
        if not self._greeted and is_ready(self._plan):
            self._greeted = True
            # Not before: they need the schema that the first has brought up to date, and a core to themselves.
            self._start_others(self._watchdog())
            _say(greeting(self._plan, first=self._first))

    def _warn_of_disk(self) -> None:
        warning = disk_warning(self._plan.data_dir)
        if warning and not self._warned:
            _say(warning, error=True)
        self._warned = warning is not None

    def _next_look(self) -> float:
        if not self._greeted:
            return _PROBE_EVERY
        retries = [child.retry_at for child in self._children if child.retry_at is not None]
        return max(min(retries) - time.monotonic(), 0.0) if retries else _LOOK_EVERY

    def _stop(self) -> None:
        self._interruptible = False
        for child in self._children:
            self._end(child)
        if self._database:
            self._database.stop()
        if self._own_watchdog:
            self._own_watchdog.dismiss()

    def _end(self, child: Child) -> None:
        deadline = time.monotonic() + GRACE
        child.follow()
        child.signal(signal.SIGTERM)
        # A second Ctrl-C means now.
        while child.pid and time.monotonic() < deadline and self._asked_to_stop < 2:
            self._pause(deadline - time.monotonic())
        if child.pid:
            _say(f"{child.name} did not end in time and is killed", error=True)
            child.signal(signal.SIGKILL)
            while child.pid:
                self._pause(1.0)

    def _watchdog(self) -> Watchdog:
        if self._database:
            watchdog = self._database.watchdog
        else:
            if self._own_watchdog is None or not self._own_watchdog.alive():
                self._own_watchdog = Watchdog()
            watchdog = self._own_watchdog
        if watchdog is not self._told_watchdog:
            for child in self._children:
                if child.pid:
                    watchdog.watch("process", child.pid)
            self._told_watchdog = watchdog
        return watchdog

    def _listen_to_signals(self) -> None:
        self._wake_reading, wake_writing = os.pipe()
        for end in (self._wake_reading, wake_writing):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake_writing, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_stop)
        # With a handler, even an empty one, a child's death wakes us.
        signal.signal(signal.SIGCHLD, lambda number, frame: None)

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        self._asked_to_stop += 1
        if self._interruptible:
            self._interruptible = False
            raise _Interrupted

    @contextmanager
    def _may_be_interrupted(self) -> Iterator[None]:
        if self._asked_to_stop:
            raise _Interrupted
        self._interruptible = True
        try:
            yield
        finally:
            self._interruptible = False

    def _pause(self, seconds: float) -> None:
        """Wait for a signal (a child's death is one), but no longer than so many seconds."""
        select.select([self._wake_reading], [], [], max(seconds, 0.0))
        with suppress(BlockingIOError):
            while os.read(self._wake_reading, 512):
                pass


def _database(plan: Plan) -> EmbeddedPostgres:
    connections = CONNECTIONS + (plan.servers - 1) * CONNECTIONS_OF_A_SERVER
    return EmbeddedPostgres(plan.data_dir, root_mode=plan.root_mode, connections=connections)


def _say(text: str, *, error: bool = False) -> None:
    # Nobody reading any more is no reason to fall.
    with suppress(OSError):
        print(text, file=sys.stderr if error else sys.stdout, flush=True)
