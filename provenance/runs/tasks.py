"""What the worker does for runs: it carries them on, and forgets them when their time is over."""

import asyncio

from provenance.bus.running import CHANNEL
from provenance.connections.known import Known
from provenance.connections.running import Connections
from provenance.core.egress import Egress
from provenance.core.objects import Objects
from provenance.datastores.running import Running as Datastores
from provenance.expressions import Evaluator
from provenance.ledger.service import Ledger
from provenance.notifications.mailing import Courier
from provenance.runs.asking import People
from provenance.runs.doers.bus import Action, Publish
from provenance.runs.doers.contract import Outside
from provenance.runs.doers.credentials import Credentials
from provenance.runs.doers.http import Http
from provenance.runs.doers.known import Masked
from provenance.runs.doers.notify import Notify
from provenance.runs.doers.skill import Skill
from provenance.runs.doers.storage import Data, Storage
from provenance.runs.live.telling import Telling
from provenance.runs.retention import keep_forgetting
from provenance.runs.runtime import Working
from provenance.runs.shelf import WorkflowShelf
from provenance.skills.calling import Skills
from provenance.skills.warming import keep_warm


async def run(ledger: Ledger, stop: asyncio.Event) -> None:
    """Carry runs on, and forget those whose time is over, until ``stop`` is set; then hand back what is in hand."""
    settings, evaluator = ledger.settings, Evaluator()
    egress = Egress(settings.egress_allow)
    objects = Objects.of(settings)
    connections = Connections(ledger, egress)
    skills, telling = Skills(ledger, objects, egress, connections), Telling(ledger)
    address = await telling.start(settings.worker_listen) if settings.worker_listen else None
    further = _reaching(
        ledger,
        egress,
        connections,
        Skill(ledger, skills, telling),
        Storage(Datastores.of(ledger, objects)),
        Publish(ledger, ledger.wakeups.channel(CHANNEL).grew),
    )
    working = Working(
        ledger,
        WorkflowShelf(ledger, limited=False),
        egress,
        objects,
        slots=settings.run_slots,
        lease_seconds=settings.run_lease_seconds,
        evaluate=evaluator.value,
        gate=People(ledger),
        further=further,
        address=address,
    )
    try:
        await asyncio.gather(
            working.run(stop), keep_forgetting(ledger.db, stop), keep_warm(ledger, skills.sandbox, stop)
        )
    finally:
        await telling.stop()
        await evaluator.close()
        await skills.close()
        await egress.close()


def _reaching(
    ledger: Ledger, egress: Egress, connections: Connections, skill: Outside, storage: Outside, publish: Outside
) -> dict[str, Outside]:
    """Return what carries out the kinds that reach outside; they share what is known as secret, and the way out."""
    settings, known = ledger.settings, Known(ledger)
    credentials = Credentials(ledger, egress, connections, known)
    http, stored = Http(credentials), Masked(storage, known)
    return {
        "skill": Masked(skill, known),
        "storage": stored,
        "data": Data(http, stored),
        "action": Action(http, Masked(publish, known)),
        "notify": Notify(Courier(settings.smtp_url, settings.mail_from), credentials),
    }
