"""What goes out of an arrival."""

from enum import StrEnum

from provenance.bus.messages.schemas import Wire


class Arrived(Wire):
    """The message that was made of what arrived; of a repeat, the one of the first time."""

    msg_id: str


class ArrivalEvent(StrEnum):
    """What is recorded of arrivals besides their messages."""

    SIGNATURE_INVALID = "webhook.signature_invalid"
