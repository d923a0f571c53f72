"""Connections of a pool: looked at before anybody relies on them, and let go when nobody has used them for a while.

Asking the server before each transaction takes three round trips, as much as a small transaction itself. A connection
whose end was heard of is left by a look at it; one that has rested may have died unheard, and only it is asked.

A pool gives out what was used last, so after a busy moment its tail rests for good, and each connection in it is a
process of the database that has read the catalogue and keeps its plans: 2 to 8 MB.
"""

import asyncio
import time
import weakref
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

REST_SECONDS: Final = 1.0
"""After this long unused, a connection is asked whether it still answers."""
LET_GO_SECONDS: Final = 20.0
"""After this long unused, a connection is closed: longer than any loop of ours pauses (5 s), so that what it needs
stays, and so rarely that making one anew (some 5 ms) costs nothing."""
LOOK_SECONDS: Final = 5.0
"""How often a pool with open connections is looked over."""
_SINCE: Final = "resting since"


def look_before_use(engine: AsyncEngine) -> None:
    """Replace connections that are gone when they are taken from an engine's pool; all that are older go with them."""
    sync = engine.sync_engine

    @event.listens_for(sync, "checkin")
    def rests(_connection: Any, record: Any) -> None:
        record.info[_SINCE] = time.monotonic()

    @event.listens_for(sync, "checkout")
    def looked_at(connection: Any, record: Any, _proxy: Any) -> None:
        if connection.driver_connection.is_closed():
            raise InvalidatePoolError("the connection is closed")
        since = record.info.get(_SINCE)
        if since is None or time.monotonic() - since < REST_SECONDS:
            return
        try:
            sync.dialect.do_ping(connection)
        except sync.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError("the connection does not answer") from error


def let_go_of_rested(engine: AsyncEngine) -> None:
    """Close connections of an engine's pool that nobody has used for a while; it makes new ones when it needs them.

    Goes with `look_before_use`, which notes since when each rests.
    """
    open_ones = _Open()
    event.listen(engine.sync_engine, "connect", open_ones.add)
    event.listen(engine.sync_engine, "close", open_ones.discard)


class _Open:
    """The connections that a pool holds open. While there are any, a timer looks them over; there is no task to end.

    The pool tells of a close before it begins to, so what is on its way out is not closed twice.
    """

    def __init__(self) -> None:
        self._records: weakref.WeakSet[ConnectionPoolEntry] = weakref.WeakSet()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, _connection: Any, record: ConnectionPoolEntry) -> None:
        self._records.add(record)
        if self._timer is None:
            self._look_later()

    def discard(self, _connection: Any, record: ConnectionPoolEntry) -> None:
        self._records.discard(record)
        if self._timer is not None and not self._records:
            self._timer.cancel()
            self._timer = None

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._timer = None
        now = time.monotonic()
        for record in list(self._records):
            if not record.in_use and now - record.info.get(_SINCE, now) >= LET_GO_SECONDS:
                record.invalidate()  # its place in the pool stays, and is connected anew when its turn comes
        if self._records and self._timer is None:
            self._look_later()
