"""What can go wrong with bus keys."""

from provenance.core.errors import Invalid, NotFound


class UnknownBusKey(NotFound):
    """The workspace has no bus key with this id."""

    code = "bus_key_not_found"


class KeyIdNeeded(Invalid):
    """The form of the address without an id needs ``keyId`` in the query."""

    code = "key_id_needed"
