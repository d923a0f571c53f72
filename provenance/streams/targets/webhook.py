"""A webhook: one JSON object a line, signed over timestamp and body (spec/automation.md, 12).

``X-ProvenanceOne-Signature`` is the lower-case hex HMAC-SHA256, under the secret's UTF-8 bytes, of the timestamp, a dot
and the raw body; ``X-ProvenanceOne-Delivery`` is the same for the same events, so that a repeat can be told.
"""

import hmac
import time

from provenance.audit.reading import as_ndjson
from provenance.core.egress import Egress
from provenance.streams.shapes import Webhook
from provenance.streams.targets.contract import Batch, Receipt, Secrets
from provenance.streams.targets.posting import post


def signed_headers(secret: str, body: bytes, delivery: str, content_type: str) -> dict[str, str]:
    """Return the headers of a signed delivery, made now."""
    timestamp = str(int(time.time()))
    signature = hmac.digest(secret.encode(), timestamp.encode() + b"." + body, "sha256").hex()
    return {
        "content-type": content_type,
        "x-provenanceone-delivery": delivery,
        "x-provenanceone-signature": signature,
        "x-provenanceone-timestamp": timestamp,
    }


class WebhookTarget:
    """One address and the secret that it is signed with."""

    def __init__(self, shape: Webhook, secrets: Secrets, egress: Egress) -> None:
        """Take what was configured, and the way out."""
        self._url = shape.url
        self._secret = secrets["secret"]
        self._egress = egress

    async def deliver(self, batch: Batch) -> Receipt:
        """Send a batch; any 2xx answer acknowledges it."""
        body = as_ndjson(batch.events)
        headers = signed_headers(self._secret, body, f"{batch.stream}-{batch.name}", "application/x-ndjson")
        reply = await post(self._egress, self._url, headers, body)
        return Receipt(f"The target answered with the status {reply.status}.")
