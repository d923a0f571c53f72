"""What can go wrong with a workspace."""

from provenance.core.errors import Conflict


class SlugTaken(Conflict):
    """Another workspace of this installation has the slug."""

    code = "slug_taken"


class PlanLimitReached(Conflict):
    """The workspace's plan does not allow more of what was asked for."""

    code = "plan_limit_reached"

    def __init__(self, what: str, most: int, left: int = 0, until: str | None = None) -> None:
        """Take which limit it is, how much it allows, how much of that is left, and when the month is over.

        ``until`` None: the limit is one of what is there at a time, and does not pass by itself.
        """
        period = " in a calendar month" if until else ""
        cure = f"Wait until {until}, when the next month begins" if until else "Remove some"
        super().__init__(
            f"The workspace's plan allows {most:,} {_SAID[what]}{period}; {max(left, 0):,} are left. "
            f"{cure}, or have the limit {what} raised in PROVENANCE_PLAN_LIMITS. "
            "An administrator sees the limits at /billing/summary."
        )


_SAID = {
    "runs": "runs",
    "steps": "steps of runs",
    "busMessages": "messages of the bus",
    "storageBytes": "bytes of stored objects",
    "members": "members, with those invited",
}


class SlugImmutable(Conflict):
    """A workspace's slug names its log for ever and can't be changed."""

    code = "slug_immutable"
