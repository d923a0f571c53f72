"""What can go wrong with deliveries."""

from provenance.core.errors import Conflict, Invalid


class NothingDead(Conflict):
    """The message has no dead letter that could be tried again."""

    code = "nothing_to_redrive"


class BadPeriod(Invalid):
    """The figures were asked for a time that ends before it begins, or for more than 31 days."""

    code = "bad_period"
