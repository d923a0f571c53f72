"""Time, read in one place: nanoseconds since the epoch inside, ISO 8601 UTC outside."""

import asyncio
import contextlib
import re
import time
from datetime import UTC, datetime
from functools import lru_cache

NANOS = 1_000_000_000
MAX_NANOS = 2**63 - 1
"""The last moment that a 64-bit count of nanoseconds can hold: 2262-04-11T23:47:16.854775807Z."""
_EPOCH_ORDINAL = datetime(1970, 1, 1, tzinfo=UTC).toordinal()
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9})0*)?\s?([Zz]|[+-]\d\d:?\d\d)", re.ASCII
)
_last_ns = 0


def now_ns() -> int:
    """Return the time in nanoseconds since the epoch, never running back within this process.

    A clock that jumps back is held at its last value, so that ``recorded`` is monotone (spec/proof.md, 3).
    """
    global _last_ns
    _last_ns = max(_last_ns, time.time_ns())
    return _last_ns


def iso_millis(ns: int) -> str:
    """Write nanoseconds since the epoch as ISO 8601 UTC with milliseconds and ``Z``."""
    seconds, rest = divmod(ns, NANOS)
    return f"{_second(seconds)}.{rest // 1_000_000:03d}Z"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    """Write a second; most rows in hand are of the same few."""
    day, second = divmod(seconds, 86_400)
    date = datetime.fromordinal(_EPOCH_ORDINAL + day)
    return f"{date:%Y-%m-%d}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def parse_iso(text: str) -> int:
    """Read an ISO 8601 time with ``Z`` or an offset, up to nanoseconds; return nanoseconds since the epoch.

    Raises ValueError when the text is no such time, has no zone, is finer than nanoseconds, or lies
    outside the years 1970 to 2261.
    """
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise ValueError("must be an ISO 8601 time with Z or an offset, such as 2026-01-31T12:00:00.000Z")
    year, month, day, hour, minute, second = map(int, match.group(1, 2, 3, 4, 5, 6))
    moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    seconds = (moment.toordinal() - _EPOCH_ORDINAL) * 86_400 + hour * 3600 + minute * 60 + second
    if second > 60:
        raise ValueError("has a second beyond 60")
    ns = (seconds - _offset_seconds(match.group(8))) * NANOS + int((match.group(7) or "0").ljust(9, "0"))
    if not 0 <= ns <= MAX_NANOS:
        raise ValueError("must lie between the years 1970 and 2261")
    return ns


def _offset_seconds(zone: str) -> int:
    if zone in ("Z", "z"):
        return 0
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if hours > 23 or minutes > 59:
        raise ValueError("has an offset that does not exist")
    return (hours * 3600 + minutes * 60) * (-1 if zone[0] == "-" else 1)


def utc(ns: int) -> datetime:
    """Turn nanoseconds since the epoch into an aware datetime (microseconds are kept)."""
    return datetime.fromtimestamp(ns // NANOS, tz=UTC).replace(microsecond=ns % NANOS // 1000)


def nanos(moment: datetime) -> int:
    """Turn an aware datetime into nanoseconds since the epoch. Raises ValueError for one without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a moment needs its zone")
    elapsed = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (elapsed.days * 86_400 + elapsed.seconds) * NANOS + elapsed.microseconds * 1000


async def until(event: asyncio.Event, seconds: float) -> None:
    """Return when an event is set, or after so many seconds.

    Never by ``asyncio.wait_for``: in Python 3.11 it swallows a cancellation that comes together with the event.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await event.wait()
