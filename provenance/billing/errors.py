"""What can go wrong with billing."""

from provenance.core.errors import Conflict


class BillingNotConfigured(Conflict):
    """This server has no payment portal: it is self-hosted and bills nobody."""

    code = "billing_not_configured"
