"""When a schedule's next time is: cron with a time zone, right through the changes of the clocks.

A local time that a change skips runs right after the gap, one that comes twice runs once.
"""

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from provenance.core.clock import MAX_NANOS, nanos, utc


class BadSchedule(ValueError):
    """The cron line or the time zone can't be read; ``member`` tells which of the two."""

    def __init__(self, member: str, issue: str) -> None:
        super().__init__(issue)
        self.member = member
        self.issue = issue


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name. Raises BadSchedule."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadSchedule("timezone", "is no IANA time zone such as Europe/Paris") from None


def times(cron: str, timezone: str, after: int) -> Iterator[int]:
    """Yield the times of a schedule after a moment, in nanoseconds since the epoch. Raises BadSchedule."""
    start = utc(after).astimezone(zone_of(timezone))
    try:
        simulated = CronSim(cron, start)
    except CronSimError as error:
        raise BadSchedule("cron", f"is no cron line: {error}") from None
    return _moments(simulated)


def _moments(simulated: Iterator[datetime]) -> Iterator[int]:
    for moment in simulated:
        found = nanos(moment)
        if found > MAX_NANOS:
            return
        yield found


def next_time(cron: str, timezone: str, after: int) -> int | None:
    """Return the first time after a moment; None when it never comes (30 February). Raises BadSchedule."""
    return next(times(cron, timezone, after), None)
