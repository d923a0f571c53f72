"""One child process: its start, its deaths, and how often it may die."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence

from provenance.postgres.watchdog import Watchdog, announced

from .gate import VARIABLE, Gate
from .processes import HOPELESS
from .siblings import Adopted, Siblings

#: A life shorter than this is a quick death (seconds).
QUICK = 10.0
#: So many quick deaths in a row are the end.
TOO_MANY = 3


class GaveUp(Exception):
    """A child died too often in too short a time, or for a reason that another start does not cure."""


class Patience:
    """How long to wait before the next start: 0.5 s, 1 s, and after a third quick death not at all."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._quick_deaths = 0

    def after_death(self, lived: float, ending: str) -> float:
        """Return the seconds to wait before the next start.

        Raises:
            GaveUp: it has died quickly three times in a row.

        """
        self._quick_deaths = self._quick_deaths + 1 if lived < QUICK else 0
        if self._quick_deaths >= TOO_MANY:
            raise GaveUp(
                f"{self._name} {ending}, {TOO_MANY} times in a row within {QUICK:.0f} s of its start. "
                "Its last words are above; `provenance doctor` looks for the usual causes."
            )
        return 1.0 if self._quick_deaths == 2 else 0.5


class Child:
    """A command that is kept running."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self._command = command
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | Adopted | None = None
        self._siblings: Siblings | None = None
        self._patience = Patience(name)
        self._started = 0.0
        self.retry_at: float | None = None

    @property
    def pid(self) -> int | None:
        """Its process number while it lives."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def returncode(self) -> int | None:
        """Exit status of the last life; None while it lives or before the first one."""
        return self._process.poll() if self._process else None

    def start(self, watchdog: Watchdog, gate: Gate | None = None, siblings: Siblings | None = None) -> None:
        """Start it in a process group of its own, so that Ctrl-C reaches only the parent.

        ``gate`` is what it waits at; with ``siblings`` it is to become itself and others.
        """
        environment = self._environment | ({VARIABLE: str(gate.reading)} if gate else {})
        environment |= siblings.environment if siblings else {}
        self._siblings = siblings
        self._process = subprocess.Popen(  # noqa: S603  (the plan's own command lines)
            [*announced("process"), *self._command],
            stdin=watchdog.pipe,
            env=environment,
            process_group=0,
            pass_fds=((gate.reading,) if gate else ()) + (siblings.descriptors if siblings else ()),
        )
        if gate:
            gate.hand_over()
        if siblings:
            siblings.hand_over()
        self._started = time.monotonic()
        self.retry_at = None

    def take_over(self, process: Adopted, watchdog: Watchdog) -> None:
        """Go on with a process that is ours already."""
        watchdog.watch("process", process.pid)
        self._process = process
        self._started = time.monotonic()

    def follow(self) -> int | None:
        """Go on with what the process has become, if it was to become several and has; return the number it had."""
        siblings, process = self._siblings, self._process
        if siblings is None or process is None or process.poll() is None:
            return None
        self._siblings = None
        siblings.part()
        self._process = siblings.take("serve") or process
        return process.pid

    def catch_up(self, watchdog: Watchdog) -> None:
        """Follow it, and let the watchdog know."""
        before = self.follow()
        if before is not None and self.pid is not None:
            watchdog.forget(before)
            watchdog.watch("process", self.pid)

    def tend(self, watchdog: Watchdog) -> str | None:
        """Notice a death and start again when it is time; return what to tell, if anything.

        Raises:
            GaveUp: it has died quickly too often, or says that another start is of no use.

        """
        self.catch_up(watchdog)
        now = time.monotonic()
        if self.retry_at is not None:
            if now >= self.retry_at:
                self.start(watchdog)
            return None
        status = self._process.poll() if self._process else None
        if self._process is None or status is None:
            return None
        watchdog.forget(self._process.pid)
        ending = describe_end(status)
        if status in HOPELESS:
            raise GaveUp(f"{self.name} {HOPELESS[status]}; see above.")
        delay = self._patience.after_death(now - self._started, ending)
        self.retry_at = now + delay
        return f"{self.name} {ending}; starting it again in {delay:g} s"

    def signal(self, number: int) -> None:
        """Send a signal if it lives."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)


def describe_end(status: int) -> str:
    """Return how a process ended, as people say it."""
    return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
