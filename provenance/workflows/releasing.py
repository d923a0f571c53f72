"""What a workflow no longer holds on to, once no version of it is live: it may be deleted then."""

from provenance.connections import service as connections
from provenance.core.db import WriteTx
from provenance.datastores import service as datastores
from provenance.datastores.service import Referrer
from provenance.secrets import service as secrets
from provenance.secrets.schemas import Purpose
from provenance.skills import service as skills

REFERRER = "workflow"
"""What skills, datastores, connections and secrets call a workflow that works with them."""


async def release(tx: WriteTx, wire_id: str) -> None:
    """Let go of the skills, datastores, connections and secrets that a workflow worked with."""
    await skills.release(tx, REFERRER, wire_id)
    await datastores.refer(tx, [], Referrer(REFERRER, wire_id))
    await connections.refer(tx, [], Purpose(REFERRER, wire_id))
    await secrets.refer_to(tx, [], Purpose(REFERRER, wire_id))
