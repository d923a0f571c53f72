"""What can go wrong when streams are set up."""

from provenance.core.errors import Conflict, Invalid, NotFound


class StreamNotFound(NotFound):
    """There is no such audit stream in this workspace."""

    code = "stream_not_found"


class StreamNameTaken(Conflict):
    """Another audit stream of this workspace has the name."""

    code = "stream_name_taken"


class TooManyStreams(Conflict):
    """A workspace has as many audit streams as it may have."""

    code = "too_many_streams"


class TargetSecretNeeded(Invalid):
    """The target can't do without this secret; one given for another place is never sent to a new one."""

    code = "target_secret_needed"


class NoSuchNumber(Invalid):
    """The number lies beyond the last row of the workspace."""

    code = "no_such_number"
