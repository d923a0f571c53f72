"""Errors by name, rendered once: RFC 9457 problem documents that both wire contracts can read.

A feature names its own errors as subclasses in its ``errors.py``; only this module knows HTTP statuses.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypedDict

import msgspec


class Detail(TypedDict):
    """One thing that is wrong: where (a path into the request) and what."""

    path: str
    issue: str


class Problem(Exception):
    """An error that a caller may see. Subclasses set the status, the code and the title."""

    status: ClassVar[int] = 500
    code: str = "internal_error"
    title: ClassVar[str] = "Internal server error"

    def __init__(
        self,
        detail: str | None = None,
        *,
        code: str | None = None,
        details: Sequence[Detail] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.detail = detail or self.title
        self.code = code or type(self).code
        self.details = list(details)
        self.headers = dict(headers or {})
        super().__init__(self.detail)

    def body(self, request_id: str) -> bytes:
        """Render the problem document (DESIGN section 4)."""
        document: dict[str, Any] = {
            "type": f"/docs/errors#{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "error": self.detail,
            "details": self.details,
            "requestId": request_id,
        }
        return msgspec.json.encode(document)


class Invalid(Problem):
    """The request is malformed or breaks a rule that needs no state (400)."""

    status = 400
    code = "invalid_request"
    title = "Bad request"

    @classmethod
    def at(cls, path: str, issue: str, *, code: str | None = None) -> "Invalid":
        """Make the error for one place of the request."""
        return cls(f"{path}: {issue}", code=code, details=[{"path": path, "issue": issue}])


class NotAuthenticated(Problem):
    """No credential, or one that is not valid (401)."""

    status = 401
    code = "not_authenticated"
    title = "Authentication failed"

    def __init__(self, detail: str | None = None, *, code: str | None = None) -> None:
        super().__init__(detail, code=code, headers={"WWW-Authenticate": 'Bearer realm="provenance"'})


class NotAllowed(Problem):
    """A valid credential that lacks the scope or role (403)."""

    status = 403
    code = "not_allowed"
    title = "Not allowed"


class NotFound(Problem):
    """No such thing in this workspace (404; also for the ids of another workspace)."""

    status = 404
    code = "not_found"
    title = "Not found"


class MethodNotAllowed(Problem):
    """The path exists, the method does not (405)."""

    status = 405
    code = "method_not_allowed"
    title = "Method not allowed"


class Conflict(Problem):
    """The state forbids it (409)."""

    status = 409
    code = "conflict"
    title = "Conflict"


class TooLarge(Problem):
    """The body is over the limit (413)."""

    status = 413
    code = "body_too_large"
    title = "Body too large"


class RateLimited(Problem):
    """The caller called too often (429 with Retry-After)."""

    status = 429
    code = "rate_limited"
    title = "Too many requests"


class Unavailable(Problem):
    """The server can't take the request now; nothing was stored (503 with Retry-After)."""

    status = 503
    code = "unavailable"
    title = "Service unavailable"

    def __init__(self, detail: str | None = None, *, code: str | None = None, retry_after: int = 1) -> None:
        super().__init__(detail, code=code, headers={"Retry-After": str(retry_after)})
