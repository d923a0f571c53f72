"""Connections of a pool are looked at before anybody relies on them, at no cost while they are in use.

Asking the server before each transaction takes three round trips, as much as a small transaction itself. A connection
whose end was heard of is left by a look at it; one that has rested may have died unheard, and only it is asked.
"""

import time
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine

REST_SECONDS: Final = 1.0
"""After this long unused, a connection is asked whether it still answers."""
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
