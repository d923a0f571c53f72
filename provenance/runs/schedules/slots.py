"""Which times of a schedule are due, and which of those that were missed are caught up."""

from typing import Literal, NamedTuple

from provenance.core.clock import NANOS
from provenance.workflows.timetable import latest_times, next_time

ON_TIME_NS = 60 * NANOS
"""A time that is looked at within a minute was not missed."""
MOST = 100
"""Most times that are caught up at once: the latest ones."""

CatchUp = Literal["none", "last", "all"]


class Due(NamedTuple):
    """What is due of a schedule. Moments are nanoseconds since the epoch."""

    starts: list[int]
    """The times to start a run for, in order."""
    dropped: int | None
    """The last time that was missed for good; None when none was."""
    following: int | None
    """When the schedule is due again; None: never."""


def due(cron: str, timezone: str, catch_up: CatchUp, seen: int, now: int) -> Due:
    """Return what is due at ``now`` of a schedule that was to run at ``seen``, which is not later. Raises BadSchedule.

    Times within the last minute are run whatever ``catch_up`` says. Of earlier ones ``all`` runs the last hundred,
    ``last`` runs the last one where no later time is run, and ``none`` runs none.
    """
    found = latest_times(cron, timezone, seen, now, MOST + 1)
    missed = [moment for moment in found if moment < now - ON_TIME_NS]
    timely = found[len(missed) :]
    starts = {"none": timely, "last": timely or missed[-1:], "all": found}[catch_up][-MOST:]
    dropped = [moment for moment in missed if moment not in starts]
    return Due(starts, dropped[-1] if dropped else None, next_time(cron, timezone, now))
