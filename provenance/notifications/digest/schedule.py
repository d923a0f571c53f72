"""When the next digest goes out: an hour of UTC, on days as a time zone counts them."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Frequency = Literal["daily", "weekly", "monthly"]


def next_run(frequency: Frequency, hour_utc: int, timezone: str, after: datetime) -> datetime:
    """Return the first moment after ``after`` that a digest is for: each day, Mondays, or firsts of months.

    The days are those of ``timezone``: a day's digest goes out at the first ``hour_utc`` (UTC) that is not before its
    midnight there, so every day has one whatever the clocks do.
    """
    zone = ZoneInfo(timezone)
    day = after.astimezone(zone).date() - timedelta(days=1)
    while True:
        day = _next_day(frequency, day)
        moment = _at_hour(datetime.combine(day, time(), zone).astimezone(UTC), hour_utc)
        if moment > after:
            return moment


def _next_day(frequency: Frequency, day: date) -> date:
    day += timedelta(days=1)
    if frequency == "weekly":
        return day + timedelta(days=-day.weekday() % 7)
    if frequency == "monthly" and day.day != 1:
        return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return day


def _at_hour(moment: datetime, hour: int) -> datetime:
    """Return the first moment, not before this one, at which the clock strikes an hour."""
    struck = moment.replace(hour=hour, minute=0, second=0, microsecond=0)
    return struck if struck >= moment else struck + timedelta(days=1)
