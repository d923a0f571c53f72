"""The queue's verbs: hand out a token, rotate it, take a message in.

The token is stateless, ``pvq_<workspace>_<generation>_<HMAC>``; raising the generation in the workspace's ledger
settings makes every older one invalid (spec/ledger.md, 3).
"""

import hmac
import uuid

from sqlalchemy import update

from provenance.core import ids
from provenance.core.actor import Actor, Kind, Scope
from provenance.core.db import WriteTx
from provenance.core.door import Answer, Exchange
from provenance.core.errors import NotAuthenticated
from provenance.ledger.interactions import reading
from provenance.ledger.interactions import service as interactions
from provenance.ledger.interactions.composing import headers_of, source_of
from provenance.ledger.queue.schemas import QueueConfig
from provenance.ledger.service import Fact, Ledger, record
from provenance.ledger.tables import ledger_settings

PUSH_PATH = "/platform/queue/messages"
_PURPOSE = "queue.token"
_PREFIX = "pvq"


async def config(ledger: Ledger, actor: Actor, base_url: str) -> QueueConfig:
    """Return where to push and with which token."""
    catalogue = await ledger.catalogues.of(actor.workspace_id)
    return QueueConfig(
        provisioned=True,
        queueUrl=base_url + PUSH_PATH,
        queueToken=await _token(ledger, actor.workspace_id, catalogue.queue_generation),
        apiUrl=base_url + "/api",
    )


async def rotate(tx: WriteTx, ledger: Ledger) -> None:
    """Make every token handed out so far invalid, on every process within a second."""
    generation = ledger_settings.c.queue_generation
    version = ledger_settings.c.catalogue_version
    query = (
        update(ledger_settings)
        .where(ledger_settings.c.workspace_id == tx.workspace_id)
        .values(queue_generation=generation + 1, catalogue_version=version + 1)
        .returning(generation)
    )
    raised = (await tx.execute(query)).scalar_one()
    record(
        tx,
        Fact(
            resource_type="QUEUE",
            action="ROTATED",
            resource_id="queue",
            data={"generation": raised},
            risk="medium",
        ),
    )
    tx.after_commit.append(lambda: ledger.catalogues.forget(tx.workspace_id))


async def push(ledger: Ledger, exchange: Exchange) -> Answer:
    """Record the interaction of a queue message. Raises NotAuthenticated for a token that is not (any more) valid."""
    exchange.actor = await _bearer(ledger, exchange)
    source = source_of(exchange)
    return await interactions.submit(ledger, source, reading.admitted(exchange.body), headers_of(exchange))


async def _bearer(ledger: Ledger, exchange: Exchange) -> Actor:
    kind, _, token = (exchange.header(b"authorization") or "").partition(" ")
    prefix, _, rest = token.strip().partition("_")
    workspace, _, tail = rest.partition("_")
    generation = tail.partition("_")[0]
    workspace_id = ids.decode("ws", "ws_" + workspace)
    if kind.lower() == "bearer" and prefix == _PREFIX and workspace_id is not None:
        found = await _known(ledger, workspace_id)
        if found is not None and generation == str(found):
            expected = await _token(ledger, workspace_id, found)
            if hmac.compare_digest(expected.encode(), token.strip().encode()):
                return Actor(Kind.QUEUE, "queue", workspace_id, scopes=frozenset({Scope.INTERACTIONS_WRITE}))
    raise NotAuthenticated("The queue token is not valid (any more). Fetch the queue config again.")


async def _known(ledger: Ledger, workspace_id: uuid.UUID) -> int | None:
    catalogue = await ledger.catalogues.find(workspace_id)
    return None if catalogue is None else catalogue.queue_generation


async def _token(ledger: Ledger, workspace_id: uuid.UUID, generation: int) -> str:
    workspace = ids.encode("ws", workspace_id).removeprefix("ws_")
    keys = await ledger.keyring.of(workspace_id)
    mac = keys.mac(_PURPOSE, f"{workspace}_{generation}".encode())[:24].hex()
    return f"{_PREFIX}_{workspace}_{generation}_{mac}"
