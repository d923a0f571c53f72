"""One request to a target over HTTP, and what its status means: taken, not now, never like this."""

from collections.abc import Mapping

from provenance.core.egress import Egress, Reply
from provenance.streams.targets.contract import NotDelivered, Rejected

ANSWER_SECONDS = 30.0
ANSWER_BYTES = 256 * 1024
_LATER = frozenset({408, 425, 429})
_LONGEST_RETRY_SECONDS = 3600.0


async def post(
    egress: Egress, url: str, headers: Mapping[str, str], body: bytes, *, method: str = "POST", quoted: bool = True
) -> Reply:
    """Send and return a 2xx answer. Raises NotDelivered for one that may change, Rejected for one that won't.

    Redirects are not followed: what is acknowledged elsewhere is not what was configured.
    """
    reply = await egress.request(
        method, url, headers=headers, body=body, seconds=ANSWER_SECONDS, limit=ANSWER_BYTES, redirects=0
    )
    if 200 <= reply.status < 300:
        return reply
    said = f"The target answered with the status {reply.status}{_quoted(reply) if quoted else ''}."
    if reply.status in _LATER or reply.status >= 500:
        raise NotDelivered(said, retry_after=_retry_after(reply))
    raise Rejected(said)


def _quoted(reply: Reply) -> str:
    text = " ".join(reply.body[:1000].decode("utf-8", "replace").split())[:200]
    return f": {text}" if text.isprintable() and text else ""


def _retry_after(reply: Reply) -> float | None:
    """Return the seconds of Retry-After; dates, which few targets send, are passed over."""
    text = reply.headers.get("retry-after", "")
    return min(float(text), _LONGEST_RETRY_SECONDS) if text.isascii() and text.isdigit() else None
