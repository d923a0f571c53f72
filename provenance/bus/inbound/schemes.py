"""How senders sign what they post: our own header, GitHub's, or Standard Webhooks' (spec/automation.md, 12).

The signature is over the raw bytes, and every comparison takes the same time whatever differs.
"""

import hmac
import re
import time

from provenance.bus.signing import hex_signature, standard_signature
from provenance.bus.subscriptions.schemas import Inbound
from provenance.core.door import Exchange

TOLERANCE_SECONDS = 300
_HEX = re.compile(r"(?:sha256=)?([0-9a-f]{64})")
_DELIVERIES = (b"x-provenanceone-delivery", b"webhook-id", b"x-github-delivery")
"""Headers by which senders name a delivery, the same when it is repeated."""


def is_signed(exchange: Exchange, secrets: list[str], rules: Inbound) -> bool:
    """Tell whether a request is signed with one of these secrets, as the subscription asks for."""
    if rules.signature == "standard":
        return True in [_standard(exchange, secret) for secret in secrets]
    name = b"x-hub-signature-256" if rules.signature == "github" else b"x-provenanceone-signature"
    match = _HEX.fullmatch(exchange.header(name) or "")
    sent = match.group(1) if match else ""
    timestamp = exchange.header(b"x-provenanceone-timestamp") if rules.signature == "provenanceone" else None
    if rules.require_timestamp and not _fresh(timestamp):
        return False
    # A timestamp that is there is signed too; without one, or where a sender merely adds one, the body alone.
    found = [hmac.compare_digest(hex_signature(secret, exchange.body, timestamp), sent) for secret in secrets]
    if timestamp is not None and not rules.require_timestamp:
        found += [hmac.compare_digest(hex_signature(secret, exchange.body), sent) for secret in secrets]
    return any(found) and (timestamp is None or not rules.require_timestamp or _fresh(timestamp))


def delivery_of(exchange: Exchange) -> str | None:
    """Return what names this delivery, if its sender says it."""
    for name in _DELIVERIES:
        found = exchange.header(name)
        if found:
            return found[:256]
    return None


def _standard(exchange: Exchange, secret: str) -> bool:
    message_id, timestamp = exchange.header(b"webhook-id"), exchange.header(b"webhook-timestamp")
    if not message_id or not _fresh(timestamp):
        return False
    expected = standard_signature(secret, message_id, timestamp or "", exchange.body)
    sent = (exchange.header(b"webhook-signature") or "").split(" ")
    return True in [hmac.compare_digest(expected.encode(), each.encode()) for each in sent]


def _fresh(timestamp: str | None) -> bool:
    if timestamp is None or not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > 12:
        return False
    return abs(time.time() - int(timestamp)) <= TOLERANCE_SECONDS
