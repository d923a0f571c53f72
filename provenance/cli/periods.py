"""Times as people type them: `--last 7d`, `--from 2024-01-15`."""

import re
from datetime import UTC, datetime, timedelta

from provenance.cli.errors import Misused

_SPAN = re.compile(r"([0-9]{1,6})\s*([smhdw])\Z")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def since(last: str, now: datetime) -> datetime:
    """Return the moment `30m`, `12h` or `7d` before now. Raises Misused for anything else."""
    found = _SPAN.match(last.strip().lower())
    if not found:
        raise Misused(f"--last {last!r} is no period. Write a number and s, m, h, d or w, like 30m, 12h or 7d.")
    try:
        return now - timedelta(**{_UNITS[found[2]]: int(found[1])})
    except OverflowError:
        raise Misused(f"--last {last!r} reaches back before the calendar.") from None


def moment(option: str, text: str) -> datetime:
    """Return a date or a time as typed; without an offset it is UTC, like all times shown. Raises Misused."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Misused(
            f"{option} {text!r} is no time. Write ISO 8601, like 2024-01-15 or 2024-01-15T10:30:00Z."
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def period(
    last: str | None, from_: str | None, to: str | None, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """Return the start and the end that the options ask for.

    Raises Misused when they contradict each other.
    """
    if last and from_:
        raise Misused("Give --last or --from, not both.")
    start = since(last, now) if last else moment("--from", from_) if from_ else None
    end = moment("--to", to) if to else None
    if start and end and start > end:
        raise Misused("The period ends before it begins: --to must be later than its start.")
    return start, end
