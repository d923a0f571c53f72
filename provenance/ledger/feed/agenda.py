"""Which workspaces a task is to look at next, each at most once, and none before its time."""

import asyncio
import contextlib
import time
import uuid


class Agenda:
    """An ordered set of workspaces that one task works off; first come, first served."""

    def __init__(self) -> None:
        """Start empty."""
        self._due: dict[uuid.UUID, None] = {}
        self._held: dict[uuid.UUID, float] = {}
        self._changed = asyncio.Event()
        self._closed = False

    def add(self, workspace_id: uuid.UUID) -> None:
        """Put a workspace at the end, unless it is there already."""
        if workspace_id not in self._due:
            self._due[workspace_id] = None
            self._changed.set()

    def hold(self, workspace_id: uuid.UUID, seconds: float) -> None:
        """Don't give this workspace out before so many seconds have passed."""
        self._held[workspace_id] = time.monotonic() + seconds

    def close(self) -> None:
        """Give out nothing any more."""
        self._closed = True
        self._changed.set()

    async def take(self) -> uuid.UUID | None:
        """Wait for a workspace and take it off; None when the agenda is closed."""
        while not self._closed:
            self._changed.clear()
            now = time.monotonic()
            self._held = {each: until for each, until in self._held.items() if until > now}
            free = next((each for each in self._due if each not in self._held), None)
            if free is not None:
                del self._due[free]
                return free
            waits = [self._held[each] - now for each in self._due]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(waits, default=None)):
                    await self._changed.wait()
        return None
