"""``Idempotency-Key`` on creating posts (spec/automation.md, 2.3): the same request twice has one effect for 24 hours.

The key's row is inserted in the transaction of the write, so both are there or neither. The answer is added when it
has been made. Values that are shown once are not kept: a repeat answers without them and says ``shownOnce: true``.
The ledger's own posts have a key of their own, without limit of time, and never come here.
"""

from hashlib import sha256
from typing import Any

import msgspec
from fastapi import Request, Response
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from provenance.core.clock import NANOS
from provenance.core.db import Database, ReadTx, WriteTx, metadata
from provenance.core.door import Exchange
from provenance.core.errors import Conflict, Invalid
from provenance.core.keyring import Keyring, WorkspaceKeys

LASTS_NS = 24 * 3600 * NANOS
RUNS_NS = 300 * NANOS
"""How long the first request may take; an answer that is not there then was lost with its process."""
MAX_LENGTH = 255
SHOWN_ONCE = frozenset(
    {
        "key",
        "secret",
        "token",
        "accessToken",
        "refreshToken",
        "recoveryCodes",
        "password",
        "acceptUrl",
        "confirmUrl",
        "value",
        "signingSecret",
    }
)
"""Members of an answer that are one-time values: no copy of them is kept anywhere."""
OWN_WAY = ("/api/interactions", "/platform/queue", "/auth", "/witness")
"""Paths with a way of their own to tell a repeat, or whose answers are credentials as a whole."""

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("scope", LargeBinary, nullable=False, comment="SHA-256 over credential, route and key"),
    Column("request", LargeBinary, nullable=False, comment="keyed hash of the canonical body"),
    Column("status", Integer, comment="of the answer; null until it was made"),
    Column("media_type", Text),
    Column("answer", LargeBinary),
    Column("at", BigInteger, nullable=False, comment="nanoseconds since the epoch"),
    PrimaryKeyConstraint("workspace_id", "scope"),
    Index("ix_idempotency_keys_at", "at"),
)


class IdempotencyKeyReused(Conflict):
    """The Idempotency-Key was used before with another body, or its first request is still running."""

    code = "idempotency_conflict"


class Claim:
    """One request with an Idempotency-Key: found again, or claimed by the transaction that does the work."""

    def __init__(self, exchange: Exchange, route: str, key: str, keys: WorkspaceKeys) -> None:
        """Take the request, its route, the key and the workspace's keys. Raises Invalid for a key of no use."""
        if not 1 <= len(key) <= MAX_LENGTH:
            raise Invalid.at("Idempotency-Key", f"must have 1 to {MAX_LENGTH} characters")
        assert exchange.actor is not None, "admitted before"
        self._workspace_id = exchange.actor.workspace_id
        self._scope = sha256(msgspec.json.encode([exchange.actor.id, route, exchange.path, key])).digest()
        # Keyed, for a body may hold a password, and a plain hash of one could be guessed at.
        self._request = keys.mac("idempotency.request", exchange.body)
        self.claimed = False

    async def repeat(self, db: Database) -> Response | None:
        """Return the first request's answer; None when there was none. Raises IdempotencyKeyReused."""
        async with db.housekeeping(self._workspace_id) as tx:
            mine = (idempotency_keys.c.workspace_id == tx.workspace_id, idempotency_keys.c.scope == self._scope)
            young = idempotency_keys.c.at > tx.now - LASTS_NS
            row = (await tx.execute(select(idempotency_keys).where(*mine, young))).first()
            lost = row is not None and row.status is None and row.at < tx.now - RUNS_NS
        if row is None:
            return None
        if row.request != self._request:
            raise IdempotencyKeyReused("This Idempotency-Key was used before with another body.")
        if lost:
            raise IdempotencyKeyReused(
                "The first request with this Idempotency-Key did its work, but its answer was lost when the server "
                "stopped. Look for what it made; use another key to make more."
            )
        if row.status is None:
            raise _running()
        return Response(row.answer, row.status, media_type=row.media_type, headers={"Idempotency-Replayed": "true"})

    async def take(self, tx: WriteTx) -> None:
        """Claim the key in the transaction that does the work. Raises IdempotencyKeyReused for a twin under way."""
        if self.claimed or tx.workspace_id != self._workspace_id:
            return
        values = {"request": self._request, "status": None, "media_type": None, "answer": None, "at": tx.now}
        put = insert(idempotency_keys).values(workspace_id=tx.workspace_id, scope=self._scope, **values)
        again = put.on_conflict_do_update(
            index_elements=["workspace_id", "scope"], set_=values, where=idempotency_keys.c.at <= tx.now - LASTS_NS
        )
        # Not an act of the transaction: one that changes nothing else must not be asked what it recorded.
        if (await ReadTx.execute(tx, again)).rowcount == 0:
            raise _running()
        self.claimed = True

    async def keep(self, db: Database, response: Response) -> None:
        """Keep the answer for repeats, without its one-time values."""
        if not self.claimed or response.status_code >= 300:
            return
        body = without_shown_once(bytes(response.body))
        async with db.housekeeping(self._workspace_id) as tx:
            mine = (idempotency_keys.c.workspace_id == tx.workspace_id, idempotency_keys.c.scope == self._scope)
            answered = {"status": response.status_code, "media_type": response.media_type, "answer": body}
            await tx.execute(update(idempotency_keys).where(*mine).values(**answered))


async def claim_of(request: Request, exchange: Exchange, route: str) -> Claim | None:
    """Return the claim of a post that carries a key; None for any other request. Raises Invalid."""
    key = exchange.header(b"idempotency-key")
    if key is None or request.method != "POST" or exchange.actor is None or route.startswith(OWN_WAY):
        return None
    keyring: Keyring = request.app.state.ledger.keyring
    return Claim(exchange, route, key, await keyring.of(exchange.actor.workspace_id))


def without_shown_once(body: bytes) -> bytes:
    """Return an answer without its one-time values; one that had any says so."""
    try:
        document: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body
    if not isinstance(document, dict) or not SHOWN_ONCE & document.keys():
        return body
    kept = {name: value for name, value in document.items() if name not in SHOWN_ONCE}
    return msgspec.json.encode({**kept, "shownOnce": True})


async def forget_answers(tx: WriteTx) -> None:
    """Empty the answers kept in the transaction's workspace, for what they hold may be what is being erased.

    The keys stay: a repeat still has no second effect, and is answered without a body.
    """
    mine = update(idempotency_keys).where(
        idempotency_keys.c.workspace_id == tx.workspace_id, idempotency_keys.c.answer.is_not(None)
    )
    await tx.execute(mine.values(answer=b"{}"))


async def forget_old(db: Database) -> bool:
    """Throw away a thousand answers that are over their time; tell whether there may be more."""
    async with db.housekeeping() as tx:
        gone = await tx.driver_sql(
            "DELETE FROM idempotency_keys WHERE (workspace_id, scope) IN "
            "(SELECT workspace_id, scope FROM idempotency_keys WHERE at <= $1 ORDER BY at LIMIT 1000)",
            (tx.now - LASTS_NS,),
        )
    return gone.rowcount == 1_000


def _running() -> IdempotencyKeyReused:
    return IdempotencyKeyReused(
        "A request with this Idempotency-Key was begun and its answer is not known yet. Ask again, or look for what "
        "it made.",
        headers={"Retry-After": "1"},
    )
