"""What can go wrong when the audit is read."""

from provenance.core.errors import Invalid, NotFound


class EventNotFound(NotFound):
    """There is no such audit event in this workspace."""

    code = "event_not_found"


class RangeTooLarge(Invalid):
    """More rows than one request checks."""

    code = "range_too_large"
