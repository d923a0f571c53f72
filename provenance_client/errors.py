"""What can go wrong between a program and Provenance, by name.

Every refusal of the server arrives as `application/problem+json` and becomes one subclass of
`ProvenanceError`, chosen by status; `code` is the server's stable word and the thing to branch on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class ProvenanceError(Exception):
    """Anything this package raises.

    `code` is a stable snake_case word, `status` the HTTP status (None when no answer arrived), `detail` a
    sentence for people, `details` a list of `{"path", "issue"}`, `request_id` the server's `x-request-id`,
    `retry_after` seconds the server asked to wait (None if it did not say).
    """

    default_code: ClassVar[str] = "error"
    default_status: ClassVar[int | None] = None

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        status: int | None = None,
        details: Sequence[Mapping[str, Any]] = (),
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.default_code
        self.status = status if status is not None else self.default_status
        self.details = [dict(item) for item in details]
        self.request_id = request_id
        self.retry_after = retry_after

    def __str__(self) -> str:
        issues = (f"{item.get('path')}: {item.get('issue')}" for item in self.details)
        unsaid = "; ".join(issue for issue in issues if issue not in self.detail)
        return f"{self.code}: {self.detail}" + (f" ({unsaid})" if unsaid else "")


class InvalidRequest(ProvenanceError):
    """400: the request is malformed.

    Also raised before anything is sent, when this package can already tell.
    """

    default_code = "invalid_request"
    default_status = 400


class NotAuthenticated(ProvenanceError):
    """401: no API key, or one the server does not know."""

    default_code = "not_authenticated"
    default_status = 401


class NotAllowed(ProvenanceError):
    """403: the key is known and may not do this."""

    default_code = "not_allowed"
    default_status = 403


class NotFound(ProvenanceError):
    """404: no such thing in this workspace."""

    default_code = "not_found"
    default_status = 404


class Conflict(ProvenanceError):
    """409.

    The present state forbids it (`in_use`, `mnemonic_taken`, `idempotency_conflict`, `append_only`, …).
    """

    default_code = "conflict"
    default_status = 409


class TooLarge(ProvenanceError):
    """413: the body is over the limit; nothing is ever truncated."""

    default_code = "too_large"
    default_status = 413


class RateLimited(ProvenanceError):
    """429: slow down; `retry_after` says for how many seconds."""

    default_code = "rate_limited"
    default_status = 429


class ServerError(ProvenanceError):
    """5xx, or an answer that is not what the contract promises."""

    default_code = "server_error"
    default_status = 500


class Unreachable(ProvenanceError):
    """No answer: nothing listens there, the connection broke, or the time ran out. `status` is None."""

    default_code = "unreachable"


class SpoolError(ProvenanceError):
    """`log()` could not write the interaction to its spool: it is **not** recorded."""

    default_code = "spool_error"


class SpoolFull(SpoolError):
    """The spool holds as much as it may, or the disk is full; raised when `on_full="raise"`."""

    default_code = "spool_full"


_BY_STATUS: dict[int, type[ProvenanceError]] = {
    400: InvalidRequest,
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: InvalidRequest,
    429: RateLimited,
}


def error_for(status: int) -> type[ProvenanceError]:
    """The class that stands for an HTTP status outside 2xx."""
    if status >= 500:
        return ServerError
    return _BY_STATUS.get(status, ProvenanceError)
