"""What can go wrong when evidence is gathered."""

from provenance.core.errors import Conflict, Invalid, NotFound


class NothingAsked(Invalid):
    """Evidence is about something: a unit of work, a resource, a person, a stretch of time. Give a filter."""

    code = "nothing_asked"


class TooManyRecords(Invalid):
    """More records satisfy the filter than one pack holds. Narrow it, for instance by time."""

    code = "too_many_records"


class NothingFound(NotFound):
    """No record satisfies the filter, so that there is nothing to prove."""

    code = "nothing_found"


class UnknownEvidence(NotFound):
    """No evidence of this workspace has the id."""

    code = "evidence_not_found"


class LogReopened(Conflict):
    """The evidence cites a log that was closed after a restore. Ask for the same evidence again."""

    code = "log_reopened"
