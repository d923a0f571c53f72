"""A connection of one's own, for what is done too often for the pool: taking deliveries in hand and settling them.

The pool asks each connection whether it lives, and goes through another library and its greenlets: several times the
price of the statements. A lost connection is made anew; transactions go one after the other.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from provenance.core.db import AWAY, LOST, SESSION_SETTINGS, asyncpg_dsn, problem_of

CONNECT_SECONDS = 5.0
STATEMENT_SECONDS = 30.0

_DURABLE = "BEGIN"
_HASTY = "BEGIN; SET LOCAL synchronous_commit TO off"


async def connect(database_url: str, name: str) -> "asyncpg.Connection[asyncpg.Record]":
    """Open a connection of the bus.

    Whole-table reads are off because plans of a long session are kept: one made while a table was nearly empty
    would go on reading all of it.
    """
    settings = {**SESSION_SETTINGS, "application_name": name, "enable_seqscan": "off"}
    return await asyncpg.connect(
        asyncpg_dsn(database_url), server_settings=settings, timeout=CONNECT_SECONDS, command_timeout=STATEMENT_SECONDS
    )


class Session:
    """One connection, made when it is first needed."""

    def __init__(self, database_url: str, name: str) -> None:
        """Take the database, and the name that it shows there."""
        self._url = database_url
        self._name = name
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self, *, durable: bool = True) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """Open a transaction and commit it when the block ends well.

        Not ``durable``: nobody waits for the disk, so a crash of the database may undo it, whole. Raises
        DatabaseUnavailable and Contended, and whatever else the block or its statements raise.
        """
        async with self._turn:
            try:
                connection = await self._connected()
                await connection.execute(_DURABLE if durable else _HASTY)
                try:
                    yield connection
                    await connection.execute("COMMIT")
                except BaseException:
                    await self._undo(connection)
                    raise
            except LOST as error:
                await self._disconnect()
                raise problem_of(error) or error from None
            except asyncpg.PostgresError as error:
                raise problem_of(error) or error from None

    async def close(self) -> None:
        """Close the connection, after the transaction that runs."""
        async with self._turn:
            await self._disconnect()

    async def _undo(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Roll back; a connection that can't is given up, and the database does it."""
        try:
            await connection.execute("ROLLBACK")
        except AWAY:
            await self._disconnect()

    async def _connected(self) -> "asyncpg.Connection[asyncpg.Record]":
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._url, self._name)
        return self._connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*AWAY):
                async with asyncio.timeout(1):
                    await connection.close()
