"""What can go wrong with billing."""

from provenance.core.errors import Conflict, Unavailable


class BillingNotConfigured(Conflict):
    """This server has no payment portal: it is self-hosted and bills nobody."""

    code = "billing_not_configured"


class PaymentsAway(Unavailable):
    """The payment provider does not answer, or not as it should; nothing was changed."""

    code = "payments_unavailable"
