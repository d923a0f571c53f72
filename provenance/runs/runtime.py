"""Runs in a running process: the engine, the plans, and what begins or carries them."""

import asyncio
from typing import Any

from provenance.connections.known import Known
from provenance.connections.running import Connections
from provenance.core.egress import Egress
from provenance.core.objects import Objects
from provenance.engine.dispatch import Dispatch
from provenance.engine.running import CHANNEL, Engine
from provenance.engine.schemas import RunKey
from provenance.ledger.service import Ledger
from provenance.runs.awaiting import Ends
from provenance.runs.beginning import Beginner
from provenance.runs.carrying import Carrier
from provenance.runs.doers import Doers, Outside
from provenance.runs.doers.child import Child
from provenance.runs.doers.credentials import Credentials
from provenance.runs.doers.http import Http
from provenance.runs.entering import Entrance
from provenance.runs.gates import Gate, Nobody
from provenance.runs.hosting import Evaluate
from provenance.runs.library import Library, Shelf
from provenance.runs.outputs.service import Outputs


class Runs:
    """What the server needs of runs. `start` and `stop` belong to its life."""

    def __init__(
        self,
        ledger: Ledger,
        shelf: Shelf,
        *,
        slots: int,
        evaluate: Evaluate,
        gate: Gate | None = None,
    ) -> None:
        """Take the ledger, where published versions are, how many runs may be interpreted here at once, and what
        evaluates expressions that are not bounded.
        """
        self.engine = Engine(ledger)
        self.library = Library(shelf)
        self.beginner = Beginner(self.engine, Doers({}), gate or Nobody(), evaluate, slots=slots)
        self._ledger = ledger
        self._ends = Ends(ledger.db)
        self._hints: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the lanes, and listening for runs that others ended."""
        self.engine.start()
        self.engine.watch(self._ends.grew)
        self._hints = asyncio.create_task(
            self._ledger.hints.follow(self._ends.grew, self._ends.unsure, CHANNEL), name="runs-hints"
        )

    async def stop(self) -> None:
        """Commit what waits, then end."""
        if self._hints is not None:
            self._hints.cancel()
            await asyncio.gather(self._hints, return_exceptions=True)
        await self._ends.stop()
        await self.beginner.settle_aside()
        await self.engine.stop()

    async def ended(self, key: RunKey, seconds: float) -> Any:
        """Return a run's row once it has ended, or as it stands after so many seconds."""
        return await self._ends.of(key, seconds)


class Working:
    """What a worker needs of runs: it carries them on until it is told to stop."""

    def __init__(
        self,
        ledger: Ledger,
        shelf: Shelf,
        egress: Egress,
        objects: Objects,
        *,
        slots: int,
        lease_seconds: float,
        evaluate: Evaluate,
        gate: Gate | None = None,
        further: dict[str, Outside] | None = None,
        address: str | None = None,
    ) -> None:
        """Take the ledger, where published versions are, the client for calls out, the object store, how many runs
        to hold, and how long a silent worker keeps them; ``further`` are kinds of other features,
        ``address`` is where servers hear what steps write.
        """
        self.engine = Engine(ledger)
        self.outputs = Outputs(ledger.db, objects)
        credentials = Credentials(ledger, egress, Connections(ledger, egress), Known(ledger))
        http, library = Http(credentials), Library(shelf)
        child = Child(Entrance(self.engine, library).begin)
        doers = Doers({"data": http, "action": http, "workflow": child, **(further or {})})
        self.carrier = Carrier(
            self.engine,
            doers,
            gate or Nobody(),
            evaluate,
            library=library,
            outputs=self.outputs,
            dispatch=Dispatch(ledger.db.url, lease_seconds=lease_seconds, address=address),
            slots=slots,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Carry runs on until ``stop`` is set."""
        self.engine.start()
        try:
            await asyncio.gather(self.carrier.run(stop), self.outputs.keep_moving(stop))
        finally:
            await self.engine.stop()
