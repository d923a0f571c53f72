"""What happens as the ledger grows and as time passes: rules hear rows, and what is due is seen to.

What is erased is forgotten here too: groups that were made of an erased row, and errors that arose from one.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from provenance.alerts import following, queries, service
from provenance.core.clock import NANOS, until
from provenance.core.db import ReadTx, WriteTx
from provenance.core.errors import Unavailable
from provenance.ledger.erasure.forgetting import forgets
from provenance.ledger.feed import Row, on_batch
from provenance.ledger.feed.queries import claim
from provenance.ledger.service import Ledger

LOOK_SECONDS = 1.0
AWAY_SECONDS = 5.0
GRACE = NANOS
"""How far behind the database's clock time passes: a row is recorded a little before it can be read."""
WORKSPACES = 200

Clock = Callable[[ReadTx], Awaitable[int]]

log: Any = structlog.get_logger("alerts")


@on_batch(start="now", wanted=queries.any_enabled)
async def follow(tx: WriteTx, rows: list[Row]) -> None:
    """Let the workspace's rules hear some rows."""
    await following.hear(tx, rows)


@forgets("alert_states")
async def forget_groups(tx: WriteTx, numbers: Sequence[int]) -> None:
    """Forget the groups whose value was known from any of these rows."""
    await service.forget_heard(tx, numbers)


@forgets("alert_rules")
async def forget_errors(tx: WriteTx, numbers: Sequence[int]) -> None:
    """Forget what went wrong at any of these rows: the text may quote them."""
    await queries.clear_errors(tx, numbers)


async def run(ledger: Ledger, stop: asyncio.Event) -> None:
    """See to what is due until ``stop`` is set. Several workers share it: a workspace is in one's hand at a time."""
    while not stop.is_set():
        await until(stop, await _look_safely(ledger))


async def _look_safely(ledger: Ledger) -> float:
    """Look once; return how many seconds to wait for the next look."""
    try:
        if await queries.any_due(ledger.db, GRACE):
            await look(ledger)
        return LOOK_SECONDS
    except Unavailable:
        log.warning("database_away")
    except Exception as error:
        log.error("alerts_not_looked_after", error=type(error).__name__)
    return AWAY_SECONDS


async def look(ledger: Ledger, clock: Clock = queries.moment) -> int:
    """Let time pass in every workspace in which something is due; return how many groups that concerned.

    ``clock`` gives the time in nanoseconds since the epoch: the database's.
    """
    after, done = uuid.UUID(int=0), 0
    while True:
        async with ledger.db.housekeeping() as tx:
            now = await clock(tx)
            found = await queries.workspaces_due(tx, now - GRACE, after, WORKSPACES)
        for workspace_id in found:
            done += await _pass_time(ledger, workspace_id, clock)
        if len(found) < WORKSPACES:
            return done
        after = found[-1]


async def _pass_time(ledger: Ledger, workspace_id: uuid.UUID, clock: Clock) -> int:
    """Let time pass in a workspace, up to the rows that its rules have not heard yet; return for how many groups."""
    done = 0
    while True:
        async with ledger.db.housekeeping(workspace_id) as tx:
            cursor = await claim(tx, queries.HANDLER)
            if cursor is None:
                return done
            now = await clock(tx)
            unheard = await queries.recorded_after(tx, cursor.number)
            passed = await following.pass_time(tx, min(now, unheard or now) - GRACE)
        done += passed
        if passed < following.AT_ONCE:
            return done
