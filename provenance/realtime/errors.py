"""What can go wrong on a live connection."""

from provenance.core.errors import Invalid, NotAllowed, NotAuthenticated, RateLimited, Unavailable


class UnknownChannel(Invalid):
    """There is no channel of this name."""

    code = "unknown_channel"


class BadFilter(Invalid):
    """The filter of the channel interactions is no query string of that list, or stands with another channel."""

    code = "invalid_filter"


class BadMessage(Invalid):
    """A message to the WebSocket is no JSON object of the documented form."""

    code = "invalid_message"


class TooManyChannels(Invalid):
    """The connection holds as many channels as one may."""

    code = "too_many_channels"


class TooManyConnections(RateLimited):
    """The key or person holds as many live connections as one may."""

    code = "too_many_connections"


class CredentialEnded(NotAuthenticated):
    """The credential of a live connection ran out or was taken away."""

    code = "credential_ended"


class OtherIdentity(NotAllowed):
    """A connection is renewed with a token of the same person in the same workspace only."""

    code = "other_identity"


class ServerStopping(Unavailable):
    """The server is stopping: connect again, and resume after the last number seen."""

    code = "server_stopping"
