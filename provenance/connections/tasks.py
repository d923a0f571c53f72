"""What the worker does with connections: notifications are told by it, for some of them go through a connection."""

import asyncio

from provenance.connections.notifying import ConnectionsWay
from provenance.connections.running import Connections
from provenance.core.egress import Egress
from provenance.ledger.service import Ledger
from provenance.notifications import tasks as notifications
from provenance.notifications.slack import Slack


async def run(ledger: Ledger, stop: asyncio.Event) -> None:
    """Tell what is due until ``stop`` is set."""
    egress = Egress(ledger.settings.egress_allow)
    try:
        await notifications.tell(ledger, egress, Slack(ConnectionsWay(Connections(ledger, egress))), stop)
    finally:
        await egress.close()
