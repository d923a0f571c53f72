"""What can go wrong with messages wherever they come from."""

from provenance.core.errors import Conflict, Invalid, NotAllowed, NotFound, Unavailable


class BadTopic(Invalid):
    """What should be a topic, or a pattern over topics, is none."""

    code = "bad_topic"


class BadMessage(Invalid):
    """A message has a field that is missing, unknown or not of its kind."""

    code = "bad_message"


class PayloadRefused(Invalid):
    """The payload does not fit the schema of its topic, and the schema refuses such."""

    code = "schema_validation"


class TooManyHops(Conflict):
    """The message would be the seventeenth in a chain of messages that caused each other."""

    code = "hop_limit"


class TopicNotAllowed(NotAllowed):
    """The bus key is for other topics."""

    code = "topic_not_allowed"


class UnknownMessage(NotFound):
    """The workspace has no message with this id, or its time is over."""

    code = "message_not_found"


class BusFull(Unavailable):
    """More is published than can be committed; nothing of this request was stored."""

    code = "bus_busy"
