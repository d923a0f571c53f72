"""What is asked of people when a run parks for them: made in the very transaction that parks it."""

from typing import Any, Protocol

from provenance.core.db import WriteTx
from provenance.runs.activity import Slot
from provenance.runs.running import Facts


class Gate(Protocol):
    """Makes requests to people. `approvals` is one; it settles them by ``engine.service.resolve`` with their token."""

    async def request(self, tx: WriteTx, facts: Facts, slot: Slot, token: str, asks: dict[str, Any]) -> None:
        """Make the request: the wait of this token is opened in the same transaction."""
        ...


class Nobody:
    """Asks nobody: the run waits until somebody resolves its wait."""

    async def request(self, tx: WriteTx, facts: Facts, slot: Slot, token: str, asks: dict[str, Any]) -> None:
        """Leave the wait as it is."""
