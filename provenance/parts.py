"""What a server process is made of: put together without a connection, started and stopped in order."""

from starlette.datastructures import State

from provenance.audit.denials import Denials
from provenance.billing.running import Billing
from provenance.bootstrap import Credentials as FirstThings
from provenance.bootstrap import first_start
from provenance.bus.inbound.service import Inbox
from provenance.bus.keys.resolving import Credentials
from provenance.bus.running import Bus
from provenance.connections.notifying import ConnectionsWay
from provenance.connections.running import Connections
from provenance.core.egress import Egress
from provenance.core.keyring import Keyring, load_masters
from provenance.core.limits import Limiter
from provenance.core.objects import Objects
from provenance.core.settings import Settings
from provenance.datastores.running import Running as Datastores
from provenance.datastores.service import stored_bytes
from provenance.expressions import Evaluator
from provenance.identity.members.erasing import tombstones
from provenance.identity.running import Identity
from provenance.ledger.erasure.reapplying import reapply
from provenance.ledger.service import Ledger
from provenance.realtime.hub import Hub
from provenance.runs.asking import People
from provenance.runs.of_workflows import RunsSeenByWorkflows
from provenance.runs.runtime import Runs
from provenance.runs.shelf import WorkflowShelf
from provenance.runs.webhooks.service import Webhooks
from provenance.skills.calling import Skills


class Parts:
    """The running parts of one server process, by the names under which requests find them."""

    def __init__(self, settings: Settings, database_url: str) -> None:
        """Put them together; nothing is connected yet."""
        self.settings = settings
        self.ledger = ledger = Ledger(settings, database_url)
        self.identity = Identity(settings, ledger)
        self.authenticate = Credentials(self.identity.authenticate, ledger.db, self.identity.epoch)
        self.denials = Denials(ledger.db)
        self.evaluator, self.egress = Evaluator(), Egress(settings.egress_allow)
        self.billing = Billing(ledger, self.egress, stored_bytes)
        self.runs = Runs(
            ledger,
            WorkflowShelf(ledger),
            slots=settings.serve_slots,
            evaluate=self.evaluator.value,
            gate=People(ledger),
        )
        self.webhooks, self.bus = Webhooks(ledger, self.runs), Bus(ledger)
        self.limiter = Limiter(ledger.db, per_minute=settings.rate_limit_per_minute, burst=settings.rate_limit_burst)
        self.realtime = Hub(ledger, self.identity.epoch, most_connections=settings.live_connections)
        self.connections, self.objects = Connections(ledger, self.egress), Objects.of(settings)
        self.skills = Skills(ledger, self.objects, self.egress, self.connections)

    def tell(self, state: State) -> None:
        """Let requests find the parts."""
        state.settings, state.ledger, state.db = self.settings, self.ledger, self.ledger.db
        state.evaluator, state.runs, state.runs_of_workflows = self.evaluator, self.runs, RunsSeenByWorkflows()
        state.identity, state.authenticate, state.limiter = self.identity, self.authenticate, self.limiter
        state.engine, state.bus, state.inbox = self.runs.engine, self.bus, Inbox(self.bus)
        state.egress, state.connections, state.skills = self.egress, self.connections, self.skills
        state.tombstones, state.objects = tombstones, self.objects
        state.slack_way = ConnectionsWay(self.connections)
        state.datastores = Datastores.of(self.ledger, self.objects)
        state.webhooks, state.realtime, state.billing = self.webhooks, self.realtime, self.billing

    async def start(self) -> FirstThings | None:
        """Start them in order; return what a first start made, None at any other."""
        keyring = Keyring(await load_masters(self.settings, self.ledger.db), self.ledger.db)
        self.ledger.use(keyring)
        first = await first_start(self.settings, self.ledger)
        await reapply(self.ledger.db, self.settings.data_dir)
        await self.identity.start()
        self.limiter.start()
        self.denials.start()
        self.ledger.start(keyring)
        for part in (self.bus, self.runs, self.webhooks, self.realtime):
            part.start()
        return first

    async def stop(self) -> None:
        """Stop them in order: who calls others before whom it calls, the ledger last."""
        for part in (self.realtime, self.webhooks, self.runs, self.bus):
            await part.stop()
        await self.evaluator.close()
        await self.denials.stop()
        await self.limiter.stop()
        await self.identity.stop()
        await self.skills.close()
        await self.egress.close()
        await self.ledger.stop()
