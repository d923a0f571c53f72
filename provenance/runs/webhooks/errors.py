"""What can go wrong with a webhook beyond what goes wrong with a run."""

from provenance.core.errors import NotAuthenticated


class BadSignature(NotAuthenticated):
    """A webhook's request carries no signature by a secret of its workflow, or an old one. No run was started."""

    code = "bad_signature"

    def __init__(self) -> None:
        super().__init__(
            "The signature is missing or wrong. Sign the raw bytes of the body with the webhook's secret, by "
            "HMAC-SHA256. No run was started."
        )
