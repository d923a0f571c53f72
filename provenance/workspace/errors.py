"""What can go wrong with a workspace."""

from provenance.core.errors import Conflict


class SlugTaken(Conflict):
    """Another workspace of this installation has the slug."""

    code = "slug_taken"


class PlanLimitReached(Conflict):
    """The workspace's plan does not allow more of what was asked for."""

    code = "plan_limit_reached"

    def __init__(self, what: str) -> None:
        until = "until the next calendar month" if what == "runs" else "until some are removed"
        super().__init__(
            f"The workspace's plan allows no more {what} {until}. An administrator sees the limits at /billing/summary."
        )


class SlugImmutable(Conflict):
    """A workspace's slug names its log for ever and can't be changed."""

    code = "slug_immutable"
