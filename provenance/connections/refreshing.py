"""Fetching tokens so that several processes, and fifty steps at once, ask a provider once.

Providers that replace refresh tokens take a second use of one for theft. So whoever fetches holds a lease on the
connection's row; the others wait and read what came. A lease outlives the request by far, and a process that died
with one holds nobody up for longer.
"""

import asyncio
import uuid
from typing import Any, NamedTuple

import structlog

from provenance.audit import service as audit
from provenance.connections import carrying, oauth, queries, targets
from provenance.connections.carrying import Operator
from provenance.connections.errors import ConnectionBroken, ConnectionNotFound, ProviderAway
from provenance.connections.oauth import Away, Refused, Tokens
from provenance.connections.schemas import ConnectionEvent, Row, Status
from provenance.connections.sealing import seal_tokens, tokens_of
from provenance.core.actor import Actor
from provenance.core.clock import NANOS
from provenance.core.db import Database
from provenance.core.egress import Egress
from provenance.core.ids import new_uuid
from provenance.core.keyring import Keyring, WorkspaceKeys

LEASE_NS = 60 * NANOS
WAIT_SECONDS = 40.0
_LOOK_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.4)

log: Any = structlog.get_logger("connections")


class Turn(NamedTuple):
    """The right to fetch tokens, with what is needed for it."""

    row: Row
    lease: uuid.UUID
    client: targets.Client
    tokens: Tokens | None
    keys: WorkspaceKeys


class Refresher:
    """Fetches tokens, once for all who wait in this process, and by lease once for all processes."""

    def __init__(self, db: Database, keyring: Keyring, egress: Egress, operator: Operator) -> None:
        """Take the database, the keys, the way out, and the operator's OAuth clients."""
        self._db, self._keyring, self._egress, self._operator = db, keyring, egress, operator
        self._under_way: dict[tuple[uuid.UUID, int], asyncio.Task[None]] = {}

    async def fetch(self, actor: Actor, row: Row) -> None:
        """Bring a connection tokens newer than the row's.

        Raises ConnectionBroken when the provider says no, for good; ProviderAway when it does not answer.
        """
        key = (row.id, row.tokens_revision)
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(self._fetch(actor, row), name="connection-tokens")
            task.add_done_callback(lambda done: self._over(key, done))
        await asyncio.shield(task)  # whoever gives up waiting must not take the tokens from the others

    def _over(self, key: tuple[uuid.UUID, int], task: asyncio.Task[None]) -> None:
        self._under_way.pop(key, None)
        if not task.cancelled():
            task.exception()  # seen, even if everybody who waited has gone

    async def _fetch(self, actor: Actor, row: Row) -> None:
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                turn = await self._turn(actor, row)
        except TimeoutError:
            raise ProviderAway("Another process has been fetching tokens for too long. Try again.") from None
        if turn is None:
            return
        try:
            tokens = await self._ask(turn)
        except Refused as refusal:
            await self._broken(actor, turn, refusal.reason)
        except Away as away:
            await self._give_back(actor, turn)
            raise ProviderAway(str(away)) from None
        else:
            await self._store(actor, turn, tokens)

    async def _turn(self, actor: Actor, row: Row) -> Turn | None:
        """Wait for the lease; None when another brought tokens meanwhile. Raises what the connection's state says."""
        keys = await self._keyring.of(actor.workspace_id)
        for attempt in range(10_000):
            lease = new_uuid()
            async with self._db.housekeeping(actor.workspace_id) as tx:
                taken = await queries.take_lease(tx, row.id, row.tokens_revision, lease, tx.now + LEASE_NS)
                now = await queries.by_id(tx, row.id)
                if now is None:
                    raise ConnectionNotFound("The connection was deleted.")
                if now.status == Status.ERROR.value and row.status != now.status:
                    carrying.ensure_active(now)  # refused to whoever had the lease before: not asked for again
                if taken:
                    credential = await carrying.credential_in_full(tx, keys, now)
                    client = targets.client_of(
                        now.integration, now.config, credential, self._operator.get(now.integration)
                    )
                    return Turn(now, lease, client, tokens_of(keys, actor.workspace_id, now), keys)
            if now.tokens_revision != row.tokens_revision:
                return None
            await asyncio.sleep(_LOOK_SECONDS[min(attempt, len(_LOOK_SECONDS) - 1)])
        raise ProviderAway("Another process has been fetching tokens for too long. Try again.")

    async def _ask(self, turn: Turn) -> Tokens:
        """Raises Refused and Away."""
        if turn.row.auth_type == "service_account":
            return await oauth.as_client(self._egress, turn.client, list(turn.row.scopes))
        if turn.tokens is None or turn.tokens.refresh_token is None:
            raise Refused("no_refresh_token")
        return await oauth.renew(self._egress, turn.client, turn.tokens)

    async def _store(self, actor: Actor, turn: Turn, tokens: Tokens) -> None:
        """Keep new tokens. No event: the access that needed them is recorded, and ``lastRefreshedAt`` shows it."""
        place = (actor.workspace_id, turn.row.id)
        async with self._db.housekeeping(actor.workspace_id) as tx:
            values = {
                "tokens_sealed": seal_tokens(turn.keys, place, tokens),
                "tokens_revision": turn.row.tokens_revision + 1,
                "expires_at": tokens.expires_at,
                "last_refreshed_at": tx.now,
            }
            kept = await queries.end_lease(tx, turn.row.id, turn.lease, values)
        if not kept:
            log.warning("tokens_too_late", connection=turn.row.wire_id)

    async def _give_back(self, actor: Actor, turn: Turn) -> None:
        async with self._db.housekeeping(actor.workspace_id) as tx:
            await queries.end_lease(tx, turn.row.id, turn.lease, {})

    async def _broken(self, actor: Actor, turn: Turn, reason: str) -> None:
        """Set the connection to error, with the reason; one that has an error already, once more in vain.

        Raises ConnectionBroken.
        """
        sentence = f"The provider gives out no more tokens ({reason}). Authorise the connection again."
        if turn.row.status == Status.ERROR.value:
            await self._give_back(actor, turn)
            raise ConnectionBroken(f"The connection {turn.row.name} has an error: {sentence}")
        async with self._db.write(actor) as tx:
            held = turn.row.status == Status.PAUSED.value
            values = {"last_error": sentence, "updated_at": tx.now}
            values |= {} if held else {"status": Status.ERROR.value}
            if await queries.end_lease(tx, turn.row.id, turn.lease, values):
                data = {"name": turn.row.name, "integration": turn.row.integration, "reason": reason}
                audit.record(tx, ConnectionEvent.ERROR, turn.row.wire_id, data, risk=audit.Risk.HIGH, outcome="failure")
        raise ConnectionBroken(f"The connection {turn.row.name} has an error: {sentence}")
