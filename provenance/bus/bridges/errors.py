"""What can go wrong with bridges: for who asks over HTTP, and between a worker and the servers."""

from provenance.core.errors import Conflict, Invalid, NotFound


class UnknownBridge(NotFound):
    """The workspace has no bridge with this id."""

    code = "bridge_not_found"


class BridgeNameTaken(Conflict):
    """Another bridge of the workspace has the name."""

    code = "bridge_name_taken"


class BridgeStale(Conflict):
    """The bridge was changed since it was read."""

    code = "stale"


class TooManyBridges(Conflict):
    """The workspace has as many bridges as it may have."""

    code = "too_many_bridges"


class BadBridge(Invalid):
    """A bridge names a secret that is not there, or is to change what stays as it was made."""

    code = "bad_bridge"


class WrongDirection(Conflict):
    """What was asked for belongs to bridges of the other direction."""

    code = "wrong_direction"


class UnknownBridgeDeadLetter(NotFound):
    """The bridge has no dead letter with this id."""

    code = "bridge_dead_letter_not_found"


class BridgeFailed(Exception):
    """The servers can't be spoken to now, or refuse; it is tried again. The text holds no secret."""


class NotMappable(ValueError):
    """A subject or topic has too few parts for the template, or what would become of it is none."""


class Lost(Exception):
    """The bridge is in another hand, paused, changed or gone: whoever had it stops."""
