"""Splunk's HTTP Event Collector, with indexer acknowledgement.

Events go to ``/services/collector/event``; the answer's ``ackId`` is asked for at ``/services/collector/ack`` on the
same channel until the indexer says that it is stored. Without acknowledgement "received" is all that Splunk promises.
"""

import asyncio
import time
import uuid
from typing import Any

import msgspec

from provenance.audit.schemas import Event
from provenance.core.clock import NANOS, parse_iso
from provenance.core.egress import Egress, Reply
from provenance.streams.shapes import SplunkHec
from provenance.streams.targets.contract import Batch, NotDelivered, Receipt, Secrets
from provenance.streams.targets.posting import post

ACK_SECONDS = 120.0
FIRST_POLL_SECONDS = 0.1
LONGEST_POLL_SECONDS = 5.0


class SplunkHecTarget:
    """One collector, and the token that it is written to with."""

    def __init__(self, shape: SplunkHec, secrets: Secrets, egress: Egress) -> None:
        """Take what was configured, and the way out."""
        self._shape = shape
        self._egress = egress
        self._base = shape.url.rstrip("/").removesuffix("/services/collector/event").removesuffix("/services/collector")
        self._headers = {"authorization": f"Splunk {secrets['token']}", "content-type": "application/json"}

    async def deliver(self, batch: Batch) -> Receipt:
        """Send a batch; with acknowledgement wait until the indexer has it."""
        channel = str(uuid.UUID(batch.stream))
        body = b"\n".join(self._event(each, batch.workspace) for each in batch.events)
        reply = await self._post("/services/collector/event", channel, body)
        if not self._shape.ack:
            return Receipt("Splunk received it; no acknowledgement was asked for.")
        ack_id = _object(reply).get("ackId")
        if not isinstance(ack_id, int) or isinstance(ack_id, bool):
            raise NotDelivered("Splunk gave no ackId: switch indexer acknowledgement on for this token, or ack off.")
        await self._acknowledged(channel, ack_id)
        return Receipt(f"Splunk's indexer acknowledged it (ackId {ack_id}).")

    async def _acknowledged(self, channel: str, ack_id: int) -> None:
        """Ask until the indexer has the batch. Raises NotDelivered after two minutes."""
        until, pause = time.monotonic() + ACK_SECONDS, FIRST_POLL_SECONDS
        body = msgspec.json.encode({"acks": [ack_id]})
        while time.monotonic() < until:
            acks = _object(await self._post(f"/services/collector/ack?channel={channel}", channel, body)).get("acks")
            if isinstance(acks, dict) and acks.get(str(ack_id)) is True:
                return
            await asyncio.sleep(pause)
            pause = min(LONGEST_POLL_SECONDS, pause * 2)
        raise NotDelivered(f"Splunk's indexer did not acknowledge it within {ACK_SECONDS:g} seconds.")

    async def _post(self, path: str, channel: str, body: bytes) -> Reply:
        headers = {**self._headers, "x-splunk-request-channel": channel}
        return await post(self._egress, self._base + path, headers, body)

    def _event(self, event: Event, workspace: str) -> bytes:
        shape = self._shape
        named = {"index": shape.index, "source": shape.source, "sourcetype": shape.sourcetype, "host": shape.host}
        written: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
        written["time"] = round(parse_iso(event.at) / NANOS, 3)
        written["fields"] = {"workspace": workspace, "risk": event.risk or "", "domain": event.domain or ""}
        written["event"] = event.model_dump(by_alias=True, mode="json")
        return msgspec.json.encode(written)


def _object(reply: Reply) -> dict[str, Any]:
    try:
        return msgspec.json.decode(reply.body, type=dict[str, Any])
    except msgspec.MsgspecError:
        raise NotDelivered("The target did not answer as Splunk does.") from None
