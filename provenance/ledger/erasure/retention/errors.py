"""What can go wrong with retention policies."""

from provenance.core.errors import Invalid


class PolicyTwice(Invalid):
    """Two policies are for the same resource type and action."""

    code = "policy_twice"
