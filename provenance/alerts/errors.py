"""What can go wrong with alerts."""

from provenance.core.errors import Conflict, Invalid, NotFound


class AlertNotFound(NotFound):
    """There is no such alert in this workspace."""

    code = "alert_not_found"


class AlertGroupNotFound(NotFound):
    """The alert has no such group: none was seen, or it was forgotten since."""

    code = "alert_group_not_found"


class AlertNameTaken(Conflict):
    """Another alert of this workspace has the name."""

    code = "alert_name_taken"


class TooManyAlerts(Conflict):
    """A workspace has as many alerts as it may have."""

    code = "too_many_alerts"


class NotFiring(Conflict):
    """There is nothing to acknowledge: the alert, or this group of it, is quiet."""

    code = "alert_not_firing"


class BadAlertExpression(Invalid):
    """An expression of an alert does not compile; the issue says what and where."""

    code = "bad_alert_expression"
