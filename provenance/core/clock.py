"""Time, read in one place: nanoseconds since the epoch inside, ISO 8601 UTC outside."""

import re
import time
from datetime import UTC, datetime

NANOS = 1_000_000_000
MAX_NANOS = 253_402_300_799 * NANOS  # 9999-12-31T23:59:59Z
_EPOCH_ORDINAL = datetime(1970, 1, 1, tzinfo=UTC).toordinal()
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9})\d*)?\s?([Zz]|[+-]\d\d:?\d\d)", re.ASCII
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
    day, second = divmod(seconds, 86_400)
    return f"{_date(day)}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.{rest // 1_000_000:03d}Z"


_days: dict[int, str] = {}


def _date(day: int) -> str:
    text = _days.get(day)
    if text is None:
        if len(_days) > 4096:
            _days.clear()
        text = _days[day] = datetime.fromordinal(_EPOCH_ORDINAL + day).strftime("%Y-%m-%d").rjust(10, "0")
    return text


def parse_iso(text: str) -> int:
    """Read an ISO 8601 time with ``Z`` or an offset, up to nanoseconds; return nanoseconds since the epoch.

    Raises ValueError when the text is no such time, has no zone, or lies outside the years 1970 to 9999.
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
        raise ValueError("must lie between the years 1970 and 9999")
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
    """Turn an aware datetime into nanoseconds since the epoch."""
    return (moment.toordinal() - _EPOCH_ORDINAL) * 86_400 * NANOS + (
        (moment.hour * 3600 + moment.minute * 60 + moment.second) * NANOS + moment.microsecond * 1000
    ) - round(moment.utcoffset().total_seconds() if moment.utcoffset() else 0) * NANOS  # type: ignore[union-attr]
