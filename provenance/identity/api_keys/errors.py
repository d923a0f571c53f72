"""What can go wrong with API keys."""

from provenance.core.errors import NotFound


class UnknownKey(NotFound):
    """The workspace has no API key with this id."""

    code = "api_key_not_found"
