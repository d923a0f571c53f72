"""Figures of several server processes on one address: whichever is asked answers for all.

Each writes what it has counted into a file of its own once a second and reads those of the others when somebody asks.
One that is started again goes on from its file: what it lost is the last second before it was killed.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from provenance.core.metrics import REQUESTS, Counted, RequestFigures

WRITE_SECONDS: Final = 1.0

log: Any = structlog.get_logger("metrics")


class SharedFigures:
    """The figures of one of several processes. ``run`` names the start of them all, ``number`` the process."""

    def __init__(self, folder: Path, run: str, number: int, figures: RequestFigures = REQUESTS) -> None:
        """Take the folder that they share, and what is counted here; nothing is read or written yet."""
        self._figures = figures
        self._folder = folder
        self._run = run
        self._own = folder / f"{run}-{number}.json"
        self._first = number == 1
        self._written: Counted | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Go on from what was counted before, and begin to exchange."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        if self._first:
            for path in self._folder.iterdir():
                if not path.name.startswith(f"{self._run}-"):
                    path.unlink(missing_ok=True)
        before = _read(self._own)
        if before is not None:
            self._figures.add(before)
        self._figures.beside = lambda: list(self._others())
        self._task = asyncio.create_task(self._exchange(), name="shared-figures")

    async def stop(self) -> None:
        """Write for the last time."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._write()

    async def _exchange(self) -> None:
        while True:
            self._write()
            await asyncio.sleep(WRITE_SECONDS)

    def _write(self) -> None:
        counted = self._figures.counted()
        if counted == self._written:
            return
        new = self._own.with_suffix(".new")
        try:
            new.write_bytes(msgspec.json.encode(counted))
            new.replace(self._own)
        except OSError as error:  # a full disk: the others see older figures
            log.warning("figures_not_written", error=type(error).__name__)
        else:
            self._written = counted

    def _others(self) -> Iterator[Counted]:
        for path in sorted(self._folder.glob(f"{self._run}-*.json")):
            found = _read(path) if path != self._own else None
            if found is not None:
                yield found


def _read(path: Path) -> Counted | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Counted)
    except (OSError, msgspec.MsgspecError):
        return None
