"""Handing rows to a handler in one transaction: claim its cursor, read a chunk, call it, move the cursor."""

import asyncio
import time
import traceback
import uuid
from dataclasses import dataclass
from typing import Any

import structlog

from provenance.core.db import Database, WriteTx
from provenance.core.errors import Problem, Unavailable
from provenance.ledger.catalogue.cache import Catalogues
from provenance.ledger.feed import queries
from provenance.ledger.feed.handlers import Handler

log: Any = structlog.get_logger("ledger.feed")

WINDOW = 200_000
"""Numbers looked through at once for the rows of one event: no statement runs long on an old ledger."""
HANDLER_SECONDS = 30.0
GROUP_SECONDS = 1.0
"""After this long no further row is handed in the same transaction."""
LONGEST_BACKOFF_SECONDS = 300.0


class HandlerTooSlow(Exception):
    """The handler took longer than a handler may; what it did to the database is undone."""


@dataclass(frozen=True, slots=True)
class Handed:
    """What came of it: ``rows`` that were handled, more to come, seconds to wait after a failure."""

    rows: int = 0
    more: bool = False
    backoff: float | None = None


NOTHING = Handed()


def describe(error: BaseException) -> str:
    """Name an error without its message, which may quote the row: its class, its code, and where it arose."""
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    code = error.code if isinstance(error, Problem) else state
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{f' ({code})' if code else ''}{place}"


def backoff(failures: int) -> float:
    """Return how many seconds to wait after this many failures in a row: 1, 2, 4 … 300."""
    return float(min(LONGEST_BACKOFF_SECONDS, 2.0 ** min(failures - 1, 16)))


async def hand(db: Database, catalogues: Catalogues, handler: Handler, workspace_id: uuid.UUID) -> Handed:
    """Hand the next rows of a workspace to a handler.

    Raises Unavailable when the database can't serve; a handler's own failure is noted, logged and answered.
    """
    try:
        async with db.housekeeping(workspace_id) as tx:
            handed, failure = await _hand_within(tx, catalogues, handler)
    except Unavailable:
        raise
    except Exception as error:  # the append of what it recorded failed, or it ran too long: the transaction is gone
        async with db.housekeeping(workspace_id) as tx:
            failures = await queries.note_failure(tx, handler.name, describe(error))
        handed, failure = Handed(backoff=backoff(failures)), error
    if failure is not None:
        _log(handler, workspace_id, failure, handed)
    return handed


async def _hand_within(tx: WriteTx, catalogues: Catalogues, handler: Handler) -> tuple[Handed, Exception | None]:
    claim = await queries.claim(tx, handler.name)
    if claim is None or claim.number >= claim.head:
        return NOTHING, None
    if handler.wanted is not None and not await handler.wanted(tx):
        await queries.commit_lazily(tx)
        await queries.move(tx, handler.name, claim.head, failures=0, error=None)
        return NOTHING, None
    chunk, upto = await _chunk(tx, catalogues, handler, claim)
    done, failure = await _call(tx, handler, chunk.rows)
    whole = done == len(chunk.rows) and chunk.complete
    reached = upto if whole else chunk.rows[done - 1].number if done else claim.number
    if not tx.recorded:
        await queries.commit_lazily(tx)
    if failure is None:
        await queries.move(tx, handler.name, reached, failures=0, error=None)
        return Handed(done, more=not whole), None  # what came while we were at it brings a visit of its own
    failures = 1 if done else claim.failures + 1
    await queries.move(tx, handler.name, reached, failures=failures, error=describe(failure))
    return Handed(done, backoff=backoff(failures)), failure


async def _chunk(
    tx: WriteTx, catalogues: Catalogues, handler: Handler, claim: queries.Claim
) -> tuple[queries.Chunk, int]:
    """Read the rows to hand; after failures fewer at once, so that those before the bad one get through."""
    catalogue = await catalogues.within(tx)  # after the highest number was read: its words are known
    limit = max(1, handler.rows >> min(claim.failures, 16))
    if handler.words is None:
        return await queries.chunk(tx, catalogue, claim.number, claim.head, limit, None, handler.of), claim.head
    upto = min(claim.head, claim.number + WINDOW)
    match = handler.match(catalogue)
    if match is None:
        return queries.Chunk([], complete=True), upto
    return await queries.chunk(tx, catalogue, claim.number, upto, limit, match, handler.of), upto


async def _call(tx: WriteTx, handler: Handler, rows: list[Any]) -> tuple[int, Exception | None]:
    """Call the handler; return how many rows it handled, and the error that ended it."""
    done, started = 0, time.monotonic()
    for portion in handler.portions(rows):
        recorded, after_commit = len(tx.recorded), len(tx.after_commit)
        await tx.driver_sql("SAVEPOINT handed")
        try:
            await _within_time(handler, tx, portion)
        except HandlerTooSlow:
            raise
        except Exception as error:
            await tx.driver_sql("ROLLBACK TO SAVEPOINT handed")
            del tx.recorded[recorded:], tx.after_commit[after_commit:]
            return done, error
        await tx.driver_sql("RELEASE SAVEPOINT handed")
        done += len(portion)
        if time.monotonic() - started > GROUP_SECONDS:
            break
    return done, None


async def _within_time(handler: Handler, tx: WriteTx, portion: list[Any]) -> None:
    limit = asyncio.timeout(HANDLER_SECONDS)
    try:
        async with limit:
            await handler.call(tx, portion)
    except TimeoutError as error:
        if limit.expired():  # the connection was cut off in the middle of a statement; no savepoint helps
            raise HandlerTooSlow(handler.name) from error
        raise


def _log(handler: Handler, workspace_id: uuid.UUID, error: Exception, handed: Handed) -> None:
    """Say that a handler failed, with its stack but never with the text of the error or the row."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    log.error(
        "handler_failed",
        handler=handler.name,
        workspace_id=str(workspace_id),
        error=describe(error),
        retry_seconds=handed.backoff,
        stack="\n".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames),
    )
