"""Database access: reading and writing have different types, and a write that recorded nothing can't commit.

``Database.read`` and ``Database.write`` are the only ways to a transaction in a request; ``housekeeping`` is the
other door, for cursors and last-seen stamps. Services take the transaction they are handed and never end it.
"""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import asyncpg
from sqlalchemy import CursorResult, Delete, Executable, Insert, MetaData, Update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from provenance.core.actor import Actor, Kind
from provenance.core.clock import now_ns
from provenance.core.disk import DiskGuard
from provenance.core.errors import Invalid, Unavailable
from provenance.core.pool import let_go_of_rested, look_before_use

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

SESSION_SETTINGS = {
    "application_name": "provenance",
    "idle_in_transaction_session_timeout": "5000",
    "jit": "off",
    "timezone": "UTC",
}
"""What every session asks of the server; a forgotten transaction ends after five seconds."""

ASIDE = 2
"""Connections for what is looked up in the middle of a transaction."""
_OUT_OF_REACH = ("08", "53", "57P", "25006")
"""SQLSTATE prefixes of a database that can't serve now: connection, resources (disk full), shutdown, read-only."""
_CONTENDED = ("40001", "40P01", "55P03")
_CANCELLED = "57014"

LOST = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what the driver says when the connection goes while it is being made
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)
"""What a statement raises whose connection is gone: whether it was carried out has to be looked up."""
AWAY = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.PostgresError)
"""What a loop with a connection of its own may meet while the database is away; it goes on after a pause."""


class NothingRecorded(AssertionError):
    """A write transaction changed rows and recorded no interaction: a mistake in the service that ran in it."""


class DatabaseUnavailable(Unavailable):
    """The database can't serve the request now; nothing was stored."""

    code = "database_unavailable"


class Contended(Unavailable):
    """Another transaction stood in the way for too long; nothing was stored, the same request may go through."""

    code = "contended"


class QueryTooSlow(Invalid):
    """The query ran longer than its kind may."""

    code = "narrow_the_range"


def problem_of(error: BaseException) -> Exception | None:
    """Name a failure of the driver as a problem the caller may see; None when it is none of those."""
    state = getattr(getattr(error, "orig", error), "sqlstate", None) or ""
    if state.startswith(_CONTENDED):
        return Contended("Another transaction held what this one needs. Try again.")
    if state == _CANCELLED:
        return QueryTooSlow("The query takes too long. Narrow the range or add a filter.")
    lost = isinstance(error, (*LOST, PoolTimeout, InterfaceError))
    if lost or state.startswith(_OUT_OF_REACH) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return DatabaseUnavailable("The database is not available. Nothing was stored; try again in a moment.")
    return None


class ReadTx:
    """A transaction that reads, narrow to one workspace."""

    def __init__(self, connection: AsyncConnection, actor: Actor | None, workspace_id: uuid.UUID) -> None:
        self._connection = connection
        self._actor = actor
        self.workspace_id = workspace_id
        self.now = now_ns()

    @property
    def actor(self) -> Actor:
        """Who asked for this transaction."""
        assert self._actor is not None, "a housekeeping transaction has no actor"
        return self._actor

    @property
    def acting(self) -> tuple[str, str]:
        """The id and the kind that the ledger keeps of who acts; the system itself when nobody asked."""
        return (self._actor.id, self._actor.kind.value) if self._actor else ("system", Kind.SYSTEM.value)

    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | list[dict[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Run one statement and return its buffered result."""
        return await self._connection.execute(statement, parameters)

    async def driver_sql(self, sql: str, parameters: tuple[Any, ...] = ()) -> CursorResult[Any]:
        """Run one statement in PostgreSQL's own words (``$1``); for array functions and hand-tuned reads."""
        return await self._connection.exec_driver_sql(sql, parameters)


class WriteTx(ReadTx):
    """A transaction that writes: what it records is appended to the ledger in its last statement."""

    def __init__(self, connection: AsyncConnection, actor: Actor | None, workspace_id: uuid.UUID) -> None:
        super().__init__(connection, actor, workspace_id)
        self._whole = self
        self.wrote = False
        self.recorded: list[Any] = []
        self.after_commit: list[Callable[[], None]] = []

    def inside(self, workspace_id: uuid.UUID) -> "WriteTx":
        """Return this same transaction, narrow to another workspace (install-level events, the migration of one)."""
        sibling = WriteTx(self._connection, self._actor, workspace_id)
        sibling._whole = self._whole
        sibling.recorded, sibling.after_commit, sibling.now = self.recorded, self.after_commit, self.now
        return sibling

    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | list[dict[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Run one statement; an INSERT, UPDATE or DELETE that touched a row obliges the transaction to record."""
        result = await super().execute(statement, parameters)
        if isinstance(statement, Insert | Update | Delete) and result.rowcount != 0:
            self._whole.wrote = True
        return result


class BeforeCommit(Protocol):
    """What `main` plugs in: append what the transaction recorded, as its last statement."""

    def __call__(self, tx: WriteTx) -> Awaitable[None]:
        """Append ``tx.recorded`` to the ledger."""
        ...


ON_WRITE: ContextVar[Callable[[WriteTx], Awaitable[None]] | None] = ContextVar("on_write", default=None)
"""Runs at the beginning of each write transaction of a request, such as the claim of its Idempotency-Key."""


class Database:
    """One pool of connections to PostgreSQL, and the doors to its transactions."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 8,
        before_commit: BeforeCommit | None = None,
        guard: DiskGuard | None = None,
    ) -> None:
        """Take the PostgreSQL address and the guard of its disk, if it is ours; nothing is connected yet."""
        self.url = url
        self._guard = guard
        self._before_commit = before_commit
        self.engine: AsyncEngine = create_async_engine(
            sqlalchemy_url(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            pool_use_lifo=True,
            hide_parameters=True,  # an error that is logged must not bring along what was to be stored
            connect_args={"server_settings": SESSION_SETTINGS, "timeout": 10},
        )
        look_before_use(self.engine)
        let_go_of_rested(self.engine)
        self._aside: Database | None = None

    @property
    def aside(self) -> "Database":
        """The same database over a few connections of its own, for what is looked up in the middle of a transaction.

        Whoever waits for a connection of a pool while holding one of it waits for others that may do just the same.
        """
        if self._aside is None:
            self._aside = Database(self.url, pool_size=ASIDE)
        return self._aside

    @asynccontextmanager
    async def read(self, actor: Actor, workspace_id: uuid.UUID | None = None) -> AsyncIterator[ReadTx]:
        """Open a transaction that reads in the actor's workspace."""
        async with self._transaction() as connection:
            yield ReadTx(connection, actor, workspace_id or actor.workspace_id)

    @asynccontextmanager
    async def write(self, actor: Actor, workspace_id: uuid.UUID | None = None) -> AsyncIterator[WriteTx]:
        """Open a transaction that writes, appends what it recorded and commits when the block ends well.

        Raises NothingRecorded when the block changed rows and recorded nothing, DiskFull before it begins.
        """
        if self._guard is not None:
            self._guard.ensure()
        begun = ON_WRITE.get()
        async with self._transaction() as connection:
            tx = WriteTx(connection, actor, workspace_id or actor.workspace_id)
            if begun is not None:
                await begun(tx)
            yield tx
            if tx.recorded:
                assert self._before_commit is not None, "no ledger is plugged into this database"
                await self._before_commit(tx)
            elif tx.wrote:
                raise NothingRecorded("rows changed, nothing recorded; housekeeping() is the door for such")
        for act in tx.after_commit:
            act()

    @asynccontextmanager
    async def housekeeping(self, workspace_id: uuid.UUID | None = None) -> AsyncIterator[WriteTx]:
        """Open a transaction for cursors, stamps and first starts: it records only if the block does."""
        async with self._transaction() as connection:
            tx = WriteTx(connection, None, workspace_id or uuid.UUID(int=0))
            yield tx
            if tx.recorded and self._before_commit is not None:
                await self._before_commit(tx)
        for act in tx.after_commit:
            act()

    async def single(self, sql: str, *arguments: Any) -> Sequence[Any]:
        """Run one statement in PostgreSQL's own words (``$1``), committed as it answers; return the driver's rows.

        For looks and claims that are made many times a second: without a transaction around it, a third of the price.
        It is housekeeping, records nothing, and is narrow only as far as the statement itself names its workspaces.
        """
        with _named_problems():
            async with self.engine.connect() as connection:
                driver = (await connection.get_raw_connection()).driver_connection
                assert driver is not None, "a connection that is taken from the pool is open"
                return await driver.fetch(sql, *arguments)  # type: ignore[no-any-return]

    async def close(self) -> None:
        """Close every connection of the pool."""
        await self.engine.dispose()
        if self._aside is not None:
            await self._aside.close()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        with _named_problems():
            async with self.engine.begin() as connection:
                yield connection


@contextmanager
def _named_problems() -> Iterator[None]:
    """Turn what the driver raises into a problem that the caller may see, where it is one."""
    try:
        yield
    except (DBAPIError, OperationalError, PoolTimeout, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        problem = problem_of(error)
        if problem is None:
            raise
        raise problem from error


def sqlalchemy_url(url: str) -> str:
    """Turn a plain PostgreSQL address into SQLAlchemy's for asyncpg."""
    parsed = make_url(url)
    return parsed.set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)


def asyncpg_dsn(url: str) -> str:
    """Turn a PostgreSQL address of either form into the one asyncpg takes."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
