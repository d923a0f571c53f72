"""What is asked of people when a run parks for them: made in the very transaction that parks it."""

import uuid
from typing import Any, Protocol

import msgspec

from provenance.core.db import WriteTx
from provenance.core.errors import Conflict
from provenance.engine.tokens import wait_token
from provenance.runs.activity import Slot
from provenance.runs.outbox import Asking, Why
from provenance.runs.running import Facts


class Overtaken(Conflict):
    """What a run takes for expired was decided meanwhile: what it made of it is not to be stored."""

    code = "decided_meanwhile"


class Place(msgspec.Struct, frozen=True):
    """A step that waits for people, as its run knows it; ``checksum`` is that of the run's version."""

    facts: Facts
    checksum: str
    slot: Slot
    attempt: int

    @property
    def token(self) -> str:
        """The name of its wait."""
        return wait_token(self.facts.key.run_id, self.slot.key, self.slot.iteration)


class Gate(Protocol):
    """Makes requests to people. `approvals` is one; it settles them by ``engine.service.resolve`` with their token."""

    async def ready(self, workspace_id: uuid.UUID) -> None:
        """Get what `fault` needs for a workspace, before runs of it are carried on."""
        ...

    async def request(self, tx: WriteTx, place: Place, asking: Asking) -> None:
        """Make the request: the wait of this place is opened in the same transaction."""
        ...

    async def withdraw(self, tx: WriteTx, facts: Facts, slot: Slot, why: Why) -> None:
        """End the request of a wait that is closed in this transaction without an answer. Raises Overtaken."""
        ...

    def fault(self, place: Place, outcome: Any) -> str | None:
        """Say why an outcome is no decision of people's; None when it is one."""
        ...


class Nobody:
    """Asks nobody: the run waits until somebody resolves its wait, and believes what it is told."""

    async def ready(self, workspace_id: uuid.UUID) -> None:
        """Nothing is needed."""

    async def request(self, tx: WriteTx, place: Place, asking: Asking) -> None:
        """Leave the wait as it is."""

    async def withdraw(self, tx: WriteTx, facts: Facts, slot: Slot, why: Why) -> None:
        """There is no request."""

    def fault(self, place: Place, outcome: Any) -> str | None:
        """Believe it."""
        return None
