"""The headers of a webhook's request that its run may read: what the sender says of the event, never a credential."""

from collections.abc import Mapping

MOST, LONGEST = 32, 512
_NAMES = frozenset({"content-type", "user-agent", "traceparent", "idempotency-key"})
_PREFIXES = ("x-", "webhook-", "svix-", "ce-")
_CREDENTIALS = ("auth", "cookie", "hmac", "key", "pass", "secret", "signature", "token")
_ADDRESSES = ("x-forwarded", "x-real-ip", "x-client-ip", "x-cluster-client-ip")


def readable(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    """Return the headers in `trigger.headers`, by lower-case names; at most 32 of at most 512 characters."""
    found: dict[str, str] = {}
    for raw, value in sorted(headers.items()):
        name = raw.decode("latin-1")
        if _may_be_read(name) and len(value) <= LONGEST and len(found) < MOST:
            found[name] = value.decode("utf-8", "replace").replace("\0", "")
    return found


def _may_be_read(name: str) -> bool:
    if name in _NAMES:
        return True
    told = name.startswith(_PREFIXES) and not name.startswith(_ADDRESSES)
    return told and not any(word in name for word in _CREDENTIALS)
