"""What can go wrong with grants."""

from provenance.core.errors import Conflict, Invalid, NotAllowed, NotFound


class GrantNotFound(NotFound):
    """There is no such grant for who asks, or the link to it is used up or over its time."""

    code = "grant_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such grant for you, or its link does not work any more.")


class GrantDecided(Conflict):
    """The grant was confirmed, denied or revoked before, or its time is over."""

    code = "grant_decided"

    def __init__(self, status: str) -> None:
        super().__init__(f"This grant is {status} already.")


class NotYourGrant(NotAllowed):
    """The grant names somebody else: only that person may confirm it, only its people and administrators end it."""

    code = "not_your_grant"

    def __init__(self) -> None:
        super().__init__("This grant is not yours to decide.")


class BadGrant(Invalid):
    """The grant can't be: nobody may confirm their own, and none is for critical risk or for longer than 90 days."""

    code = "bad_grant"
