"""What a waiting device is told. The detail is the word itself, so that clients of RFC 8628 find it in ``error``."""

from provenance.core.errors import Invalid, NotFound


class AuthorizationPending(Invalid):
    """Nobody approved the device yet: ask again after the interval."""

    code = "authorization_pending"


class SlowDown(Invalid):
    """The device asks too often: wait five seconds longer between two questions."""

    code = "slow_down"


class ExpiredToken(Invalid):
    """The device code is unknown, was used, or ran out: begin again."""

    code = "expired_token"


class AccessDenied(Invalid):
    """The person denied the device."""

    code = "access_denied"


class UnknownUserCode(NotFound):
    """No device waits under this code, or it ran out."""

    code = "unknown_user_code"
