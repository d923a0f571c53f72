"""Lengths of time as texts, ISO 8601 or as the language writes them, and moments moved by one."""

import calendar
import re
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

_ISO: Final = re.compile(
    r"P(?:(\d{1,6})Y)?(?:(\d{1,6})M)?(?:(\d{1,6})W)?(?:(\d{1,7})D)?"
    r"(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,12}(?:\.\d{1,6})?)S)?)?",
    re.ASCII,
)
_PLAIN: Final = re.compile(r"(?:\d{1,12}(?:\.\d{1,9})?(?:h|ms|us|ns|m|s))+", re.ASCII)
_PART: Final = re.compile(r"([\d.]+)(h|ms|us|ns|m|s)")
_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


class Length(NamedTuple):
    """A length of time: whole months, which differ in days, and the rest."""

    months: int
    rest: timedelta


def read_length(text: str) -> Length:
    """Read ``P1M``, ``P2DT3H``, ``-P1W``, ``90s``, ``1h30m``. Raises ValueError."""
    sign = -1 if text.startswith("-") else 1
    bare = text.removeprefix("-")
    iso = _ISO.fullmatch(bare)
    if iso is not None and any(iso.groups()) and not bare.endswith("T"):
        years, months, weeks, days, hours, minutes = (int(each or 0) for each in iso.groups()[:6])
        rest = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=float(iso[7] or 0))
        return Length(sign * (12 * years + months), sign * rest)
    if _PLAIN.fullmatch(bare):
        seconds = sum(float(count) * _SECONDS[unit] for count, unit in _PART.findall(bare))
        return Length(0, sign * timedelta(seconds=seconds))
    raise ValueError(f"'{text[:40]}' is no duration such as 90s, 1h30m, P1D or P1M")


def read_moment(text: str) -> datetime:
    """Read a moment in RFC 3339, which says its offset. Raises ValueError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValueError(f"'{text[:40]}' is no moment such as 2026-03-01T12:00:00Z")
    return found.astimezone(UTC)


def moved(moment: datetime, length: Length) -> datetime:
    """Move an aware moment by a length, in UTC: months first, keeping to the last day of a shorter month.

    Raises ValueError when that leaves the years 1 to 9999.
    """
    try:
        return _by_months(moment.astimezone(UTC), length.months) + length.rest
    except (OverflowError, ValueError):
        raise ValueError("the moment lies outside of the years 1 to 9999") from None


def _by_months(moment: datetime, months: int) -> datetime:
    if not months:
        return moment
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise ValueError("out of range")
    return moment.replace(year=year, month=month + 1, day=min(moment.day, calendar.monthrange(year, month + 1)[1]))
