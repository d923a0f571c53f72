"""What can go wrong with notification settings."""

from provenance.core.errors import Invalid


class ChannelNotSetUp(Invalid):
    """A rule names a channel that the same settings don't set up."""

    code = "channel_not_set_up"


class ChannelSecretNeeded(Invalid):
    """The webhook needs its secret; one given for another place is never used for a new one."""

    code = "channel_secret_needed"


class RecipientsNeeded(Invalid):
    """What is switched on has nobody to go to."""

    code = "recipients_needed"
