"""What can go wrong with one-time codes."""

from provenance.core.errors import Conflict, Invalid


class WrongCode(Invalid):
    """The one-time code is not right, or was used before."""

    code = "wrong_otp"


class AlreadyEnrolled(Conflict):
    """The account has one-time codes already; disable them first."""

    code = "totp_already_enrolled"


class NotEnrolled(Conflict):
    """The account has no one-time codes that this could be about."""

    code = "totp_not_enrolled"
