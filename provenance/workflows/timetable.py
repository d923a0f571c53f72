"""When a schedule's times are: cron with a time zone, right through the changes of the clocks.

A local time that a change skips runs right after the gap, one that comes twice runs once. A line whose minutes or
hours begin with a star follows the clock on the wall instead, hour after hour.
"""

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from provenance.core.clock import MAX_NANOS, NANOS, nanos, utc

_MINUTE = timedelta(minutes=1)
_GROWTH = 4


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
    zone = zone_of(timezone)
    start = utc(after).astimezone(zone)
    by_the_wall = _follows_the_wall(cron)
    try:
        simulated = CronSim(cron, start if by_the_wall else start.replace(tzinfo=None))
    except CronSimError as error:
        raise BadSchedule("cron", f"is no cron line: {error}") from None
    return _moments(simulated, None if by_the_wall else zone, after)


def _follows_the_wall(cron: str) -> bool:
    """Tell whether minutes or hours begin with a star; the two stand before the last three fields."""
    return any(field.startswith("*") for field in cron.split()[-5:-3])


def _moments(simulated: Iterator[datetime], zone: ZoneInfo | None, after: int) -> Iterator[int]:
    """Yield moments in order, each once; local times are put on the clock of their zone."""
    for moment in simulated:
        found = nanos(moment if zone is None else _on_the_clock(moment, zone))
        if found > MAX_NANOS:
            return
        if found > after:
            after = found
            yield found


def _on_the_clock(local: datetime, zone: ZoneInfo) -> datetime:
    """Return when the clocks of a zone show a local time first, or the end of the gap that skips it."""
    moment = local.replace(tzinfo=zone)
    while moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local:
        local = local.replace(second=0) + _MINUTE
        moment = local.replace(tzinfo=zone)
    return moment


def next_time(cron: str, timezone: str, after: int) -> int | None:
    """Return the first time after a moment; None when it never comes (30 February). Raises BadSchedule."""
    return next(times(cron, timezone, after), None)


def latest_times(cron: str, timezone: str, since: int, now: int, most: int) -> list[int]:
    """Return the last times from ``since`` to ``now``, both included, at most so many. Raises BadSchedule.

    It looks back step by step, so that the years of an installation that was away need not be walked through.
    """
    span = 60 * NANOS
    while True:
        after = max(since - 1, now - span)
        found: deque[int] = deque(maxlen=most)
        for moment in times(cron, timezone, after):
            if moment > now:
                break
            found.append(moment)
        if len(found) == most or after == since - 1:
            return list(found)
        span *= _GROWTH
