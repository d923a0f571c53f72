"""What can go wrong with a session."""

from provenance.core.errors import NotAuthenticated


class SessionOver(NotAuthenticated):
    """The refresh token is unknown, was used before, or its session has ended: sign in again."""

    code = "session_over"
