"""What can go wrong with legal holds."""

from provenance.core.errors import Invalid, NotFound


class UnknownHold(NotFound):
    """No legal hold of this workspace has the id."""

    code = "hold_not_found"


class HoldInThePast(Invalid):
    """A hold that would have ended already holds nothing."""

    code = "hold_in_the_past"
