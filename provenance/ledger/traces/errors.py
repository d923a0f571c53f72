"""What can go wrong with a trace."""

from provenance.core.errors import NotFound


class UnknownTrace(NotFound):
    """No interaction of this workspace is about the id or in a unit of work of this id."""

    code = "trace_not_found"
