"""When a worker looks for runs: at a hint, when a timer is due, every few seconds; under load not too often."""

import asyncio

from provenance.engine.dispatch import Dispatch

POLL_SECONDS = 5.0
AHEAD_SECONDS = 0.03
"""A timer that another process sets may be due this much earlier than a busy worker finds out."""
BREATH_SECONDS = 0.004
"""Rounds begin at most this often, so that what becomes ready meanwhile is claimed at once."""


class Rounds:
    """The pace of one worker's rounds. ``ring`` begins the next one."""

    def __init__(self, dispatch: Dispatch) -> None:
        """Take this worker's side of the run table."""
        self.ring = asyncio.Event()
        self._dispatch = dispatch
        self._began = self._ahead = float("-inf")

    async def begin(self) -> bool:
        """Let what becomes ready within a moment gather; after a pause nothing is waited for. Tell whether it rang."""
        left = self._began + BREATH_SECONDS - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.sleep(left)
        self._began = asyncio.get_running_loop().time()
        rang = self.ring.is_set()
        self.ring.clear()
        return rang

    async def make_ready(self) -> float:
        """Queue what is due and whose turn it is; return in how many seconds to look again: 0 when something is ready.

        Rounds follow one another closely under load: not each of them looks ahead.
        """
        now = asyncio.get_running_loop().time()
        if now < self._ahead:
            return self._ahead - now
        outlook = await self._dispatch.outlook()
        seconds = POLL_SECONDS if outlook.seconds is None else outlook.seconds
        if seconds <= 0:
            await self._dispatch.wake_due()
        if not outlook.limited:
            self._ahead = asyncio.get_running_loop().time() + min(AHEAD_SECONDS, seconds)
        elif await self._dispatch.promote():
            return 0.0
        return max(0.0, seconds)

    async def pause(self, stop: asyncio.Event, seconds: float) -> None:
        """Wait for the ring, for ``stop``, or for so many seconds."""
        waits = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(self.ring.wait())]
        seconds = min(POLL_SECONDS, self._dispatch.lease_seconds / 4, max(0.001, seconds))
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
