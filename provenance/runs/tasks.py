"""What the worker does for runs: it carries them on, and forgets them when their time is over."""

import asyncio

from provenance.connections.running import Connections
from provenance.core.egress import Egress
from provenance.core.objects import Objects
from provenance.datastores.running import Running as Datastores
from provenance.expressions import Evaluator
from provenance.ledger.service import Ledger
from provenance.runs.asking import People
from provenance.runs.doers.http import Http
from provenance.runs.doers.skill import Skill
from provenance.runs.doers.storage import Data, Storage
from provenance.runs.retention import keep_forgetting
from provenance.runs.runtime import Working
from provenance.runs.shelf import WorkflowShelf
from provenance.skills.calling import Skills


async def run(ledger: Ledger, stop: asyncio.Event) -> None:
    """Carry runs on, and forget those whose time is over, until ``stop`` is set; then hand back what is in hand."""
    settings, evaluator = ledger.settings, Evaluator()
    egress = Egress(settings.egress_allow)
    objects = Objects.of(settings)
    storage = Storage(Datastores.of(ledger, objects))
    skills = Skills(ledger, objects, egress, Connections(ledger, egress))
    working = Working(
        ledger,
        WorkflowShelf(ledger.db),
        egress,
        slots=settings.run_slots,
        lease_seconds=settings.run_lease_seconds,
        evaluate=evaluator.value,
        gate=People(ledger),
        further={"skill": Skill(ledger, skills), "storage": storage, "data": Data(Http(egress), storage)},
    )
    try:
        await asyncio.gather(working.run(stop), keep_forgetting(ledger.db, stop))
    finally:
        await evaluator.close()
        await skills.close()
        await egress.close()
