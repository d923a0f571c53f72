"""What can go wrong with what outside systems post."""

from provenance.core.errors import Conflict, NotAuthenticated, TooLarge


class BadSignature(NotAuthenticated):
    """What was posted carries no signature by a secret of its subscription, or an old one. Nothing was published."""

    code = "bad_signature"

    def __init__(self) -> None:
        super().__init__(
            "The signature is missing or wrong. Sign the raw bytes of the body with the subscription's secret, by "
            "HMAC-SHA256. Nothing was published."
        )


class InboundPaused(Conflict):
    """The subscription is paused: nothing is published through it."""

    code = "subscription_paused"


class ArrivalTooLarge(TooLarge):
    """What was posted is over 1 MiB."""

    code = "body_too_large"
