"""A worker's lease: its beat tells the others that its runs are its own (spec/engine.md, Claiming, parking, waking)."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from provenance.core.db import AWAY
from provenance.engine.dispatch import Dispatch

log: Any = structlog.get_logger("runs")


class Lease:
    """Says when this worker last was heard. One that could not be heard for half its lease stops its own runs."""

    def __init__(self, dispatch: Dispatch) -> None:
        """Take this worker's side of the run table; nothing is said before the first beat."""
        self._dispatch = dispatch
        self._beaten = float("-inf")

    @property
    def in_time(self) -> bool:
        """Whether this worker may believe that its runs are its own."""
        return asyncio.get_running_loop().time() - self._beaten < self._dispatch.lease_seconds / 2

    async def begin(self) -> None:
        """Be heard for the first time; later the beats of `keep` do. Raises what the driver raises."""
        if self._beaten == float("-inf"):
            await self._beat()

    async def keep(self, lost: Callable[[], None]) -> None:
        """Beat until cancelled; call ``lost`` when this worker has not been heard for too long."""
        while True:
            try:
                await self._beat()
            except AWAY as error:
                log.debug("beat_lost", error=type(error).__name__)
            except Exception:
                log.exception("beat_failed")
            if not self.in_time:
                lost()
            await asyncio.sleep(self._dispatch.lease_seconds / 6)

    async def _beat(self) -> None:
        began = asyncio.get_running_loop().time()
        await self._dispatch.beat()
        self._beaten = began
