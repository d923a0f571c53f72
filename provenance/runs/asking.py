"""The gate of running processes: runs ask the approvals, and believe what is signed."""

import uuid
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from provenance.approvals import asking as approvals
from provenance.approvals import binding
from provenance.approvals.schemas import Question
from provenance.core.db import WriteTx
from provenance.engine.tokens import wait_token
from provenance.ledger.service import Ledger
from provenance.runs import queries
from provenance.runs.activity import Slot
from provenance.runs.events import step_id, step_span, wire_id
from provenance.runs.gates import Overtaken, Place
from provenance.runs.outbox import Asking, Why
from provenance.runs.running import Facts


class People:
    """Asks people by approvals."""

    def __init__(self, ledger: Ledger) -> None:
        """Take the ledger, for its keyring."""
        self._ledger = ledger
        self._public: dict[uuid.UUID, Ed25519PublicKey] = {}

    async def ready(self, workspace_id: uuid.UUID) -> None:
        """Have the key that checks a workspace's decisions."""
        if workspace_id not in self._public:
            self._public[workspace_id] = binding.public_key(await self._ledger.keyring.of(workspace_id))

    async def request(self, tx: WriteTx, place: Place, asking: Asking) -> None:
        """Ask people, or have the policy approve."""
        facts, slot = place.facts, place.slot
        run_id = facts.key.run_id
        origin = await queries.origin(tx, run_id, facts.workflow_id)
        question = Question(
            token=place.token,
            run_id=run_id,
            step_key=slot.key,
            iteration=slot.iteration,
            attempt=place.attempt,
            step_id=step_id(asking.place, asking.kind),
            span_id=uuid.UUID(step_span(run_id, slot.key, slot.iteration)),
            workflow_id=facts.workflow_id,
            workflow_name=origin.workflow_name or "",
            version=facts.version,
            version_checksum=place.checksum,
            environment=facts.environment,
            started_by=_starter(origin),
            insists=asking.insists,
            asks=asking.asks,
        )
        await approvals.request(tx, await self._ledger.keyring.within(tx), question)

    async def withdraw(self, tx: WriteTx, facts: Facts, slot: Slot, why: Why) -> None:
        """End a request that nobody waits for any more. Raises Overtaken."""
        run_id = facts.key.run_id
        if not await approvals.withdraw(tx, run_id, wait_token(run_id, slot.key, slot.iteration), why):
            raise Overtaken("It was decided in the moment in which it expired.")

    def fault(self, place: Place, outcome: Any) -> str | None:
        """Check the signatures of a decision against this very step."""
        key = place.facts.key
        known = binding.Place(
            key.workspace_id, wire_id(key.run_id), place.slot.key, place.slot.iteration, place.attempt, place.checksum
        )
        return binding.fault_of(self._public[key.workspace_id], known, outcome)


def _starter(origin: queries.Origin) -> str | None:
    """Return who started the run, or the run that it is part of: a person, for a key the one who made it."""
    by = origin.key_made_by or origin.triggered_by
    return by if by.startswith("user_") else None
