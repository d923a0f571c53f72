"""What can go wrong with subscriptions."""

from provenance.core.errors import Conflict, Invalid, NotFound


class UnknownSubscription(NotFound):
    """The workspace has no subscription with this id."""

    code = "subscription_not_found"


class SubscriptionNameTaken(Conflict):
    """Another subscription of the workspace has the name."""

    code = "name_taken"


class SubscriptionExists(Conflict):
    """There is a subscription with the id that was chosen."""

    code = "subscription_exists"


class SubscriptionStale(Conflict):
    """The subscription was changed since it was read."""

    code = "stale"


class BadTarget(Invalid):
    """A subscription's target lacks something that its kind needs, or has what it can't use."""

    code = "bad_target"


class NoQueue(Conflict):
    """The subscription's target is no queue, so that nothing is pulled from it."""

    code = "not_a_queue"


class TooManySubscriptions(Conflict):
    """The workspace has as many subscriptions as it may have."""

    code = "too_many_subscriptions"
