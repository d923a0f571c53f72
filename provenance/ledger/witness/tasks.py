"""What the worker does with witnesses: rounds for the logs whose heads a witness has not cosigned yet."""

import asyncio
import uuid
from typing import Any

import structlog

from provenance.core.clock import until
from provenance.core.egress import Egress
from provenance.core.errors import Unavailable
from provenance.ledger.service import Ledger
from provenance.ledger.witness import cosigning, queries
from provenance.ledger.witness.asking import Rounds

LOOK_SECONDS = 2.0
AWAY_SECONDS = 5.0
LOGS_AT_ONCE = 200
ROUNDS_AT_ONCE = 8

log: Any = structlog.get_logger("ledger.witness")


async def run(ledger: Ledger, stop: asyncio.Event) -> None:
    """Ask until ``stop`` is set. Several workers share the logs: a round is claimed by one of them."""
    egress = Egress(ledger.settings.egress_allow)
    rounds = Rounds(ledger, egress)
    named = False
    try:
        while not stop.is_set():
            try:
                if not named:  # before a command does, which may not know the installation's name
                    await cosigning.verifier_key(ledger)
                    named = True
                more = await _look(ledger, rounds)
                await until(stop, 0 if more else LOOK_SECONDS)
            except Unavailable:
                await until(stop, AWAY_SECONDS)
            except Exception:
                log.exception("witnessing_failed")
                await until(stop, AWAY_SECONDS)
    finally:
        await egress.close()


async def _look(ledger: Ledger, rounds: Rounds) -> bool:
    """Hold the rounds that are due; tell whether there may be more."""
    if not await queries.any_witness(ledger.db):
        return False
    async with ledger.db.housekeeping() as tx:
        found = await queries.due(tx, await queries.instance(tx), LOGS_AT_ONCE)
    at_once = asyncio.Semaphore(ROUNDS_AT_ONCE)

    async def hold(workspace_id: uuid.UUID) -> None:
        async with at_once:
            await rounds.round(workspace_id)

    results = await asyncio.gather(*(hold(each) for each in found), return_exceptions=True)
    for each in results:
        if isinstance(each, BaseException):
            raise each
    return len(found) == LOGS_AT_ONCE
