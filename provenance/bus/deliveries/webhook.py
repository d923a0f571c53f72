"""Outbound webhooks: one signed post through the egress guard; any 2xx takes the message."""

import asyncio
import time
import uuid
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provenance.bus.deliveries.contract import Failed, Refused, Task
from provenance.bus.envelope import envelope_json
from provenance.bus.messages.cloudevents_out import binary_event, structured_event
from provenance.bus.messages.schemas import PREFIX, Row
from provenance.bus.signing import delivery_headers
from provenance.bus.subscriptions.schemas import Row as Stored
from provenance.bus.subscriptions.sealing import SIGNER, Sealed, opened
from provenance.bus.subscriptions.service import KIND
from provenance.connections.known import Known
from provenance.core.addresses import AddressRefused, EgressError
from provenance.core.clock import now_ns
from provenance.core.egress import Egress, Reply
from provenance.core.ids import encode
from provenance.core.posting import Destination, Posts
from provenance.ledger.service import Ledger
from provenance.secrets import service as secrets
from provenance.secrets.errors import SecretNotFound
from provenance.secrets.masking import Mask
from provenance.secrets.schemas import Purpose

ANSWER_BYTES = 64 * 1024
SECRET_SECONDS = 60.0
"""How long a secret that is kept elsewhere is used before it is asked for anew."""
LONGEST_RETRY_SECONDS = 3600.0
TARGETS_KEPT = 1_000
_LATER = frozenset({408, 425, 429})


class _Prepared(NamedTuple):
    """A subscription as far as posting goes, opened and read once for each of its revisions."""

    stored: Stored
    sealed: Sealed
    destination: Destination
    form: str
    named: str | None


class Webhooks:
    """Posts messages, for one worker; closed at its end."""

    def __init__(self, ledger: Ledger, egress: Egress) -> None:
        """Take the ledger, whose secrets are used, and the way out."""
        self._ledger = ledger
        self._posts = Posts(egress)
        self._known = Known(ledger)
        self._prepared: dict[tuple[uuid.UUID, str], _Prepared] = {}
        self._kept: dict[tuple[uuid.UUID, str, str], tuple[float, list[str]]] = {}
        self._asking = asyncio.Lock()
        self._signers: dict[uuid.UUID, Ed25519PrivateKey] = {}

    async def __call__(self, task: Task) -> str:
        """Post a message and return what the target said. Raises Failed and Refused."""
        to = self._prepare(task)
        signing = to.sealed.valid(now_ns()) if to.named is None else await self._secret(task, to.named)
        own, body = _request(to.form, task.message)
        message_id, timestamp = encode(PREFIX, task.message.id), str(int(time.time()))
        signed = delivery_headers(signing, self._signer(task), message_id, timestamp, body, task.attempt)
        headers = {**own, **_trace(task.message), **signed}
        reply = await self._post(to.destination, headers, body, task.rules.timeout_seconds)
        if 200 <= reply.status < 300:
            return f"The target answered with the status {reply.status}."
        own_secrets = Mask([*signing, *to.sealed.headers.values()])
        quoted = _quoted(reply, own_secrets, await self._known.mask(task.workspace_id, now=False))
        said = f"The target answered with the status {reply.status}{quoted}."
        if reply.status in _LATER or reply.status >= 500:
            raise Failed(said, retry_after=_retry_after(reply))
        raise Refused(said)

    async def close(self) -> None:
        """Close the connections that are kept."""
        await self._posts.close()

    def _prepare(self, task: Task) -> _Prepared:
        """Return the subscription's target, ready to be posted to. Raises Refused for an address that is not called."""
        place = task.workspace_id, task.subscription.id
        found = self._prepared.get(place)
        if found is None or found.stored.updated_at != task.subscription.updated_at:
            found = _prepared(task)
            if len(self._prepared) >= TARGETS_KEPT:
                self._prepared.clear()
            self._prepared[place] = found
        return found

    def _signer(self, task: Task) -> Ed25519PrivateKey:
        """Return the workspace's key, made once: that costs as much as a signature."""
        found = self._signers.get(task.workspace_id)
        if found is None:
            found = self._signers[task.workspace_id] = task.keys.signer(SIGNER)
        return found

    async def _post(self, to: Destination, headers: dict[str, str], body: bytes, seconds: float) -> Reply:
        try:
            return await self._posts.post(to, headers, body, seconds=seconds, limit=ANSWER_BYTES)
        except AddressRefused as error:
            raise Refused(str(error)) from None
        except EgressError as error:
            raise Failed(str(error)) from None

    async def _secret(self, task: Task, named: str) -> list[str]:
        """Return the values of a secret that are good now. Raises Refused when it is gone."""
        place = (task.workspace_id, task.subscription.id, named)
        async with self._asking:
            kept = self._kept.get(place)
            if kept is not None and time.monotonic() - kept[0] < SECRET_SECONDS:
                return kept[1]
            try:
                async with self._ledger.db.housekeeping(task.workspace_id) as tx:
                    used = await secrets.use(tx, task.keys, named, Purpose(KIND, task.subscription.id))
            except SecretNotFound:
                raise Refused("The secret that this subscription signs with is gone.") from None
            values = [used.text, *(each for each in used.also_valid if isinstance(each, str))]
            self._kept[place] = time.monotonic(), values
            return values


def _prepared(task: Task) -> _Prepared:
    """Open and read a subscription. Raises Refused for an address that is not called."""
    target = task.subscription.target
    sealed = opened(task.keys, task.subscription.id, task.subscription.sealed)
    try:
        destination = Destination(str(target["url"]), sealed.headers)
    except AddressRefused as error:
        raise Refused(str(error)) from None
    return _Prepared(task.subscription, sealed, destination, target["format"], target.get("secretId"))


def _request(form: str, message: Row) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a message in the form that the subscription wants."""
    if form == "cloudevents":
        return {"content-type": "application/cloudevents+json"}, structured_event(message)
    if form == "cloudevents-binary":
        return binary_event(message)
    return {"content-type": "application/json"}, envelope_json(message)


def _trace(message: Row) -> dict[str, str]:
    """Return the headers that join what the target records to the message's trace (DESIGN section 5)."""
    return {
        "x-uowid": str(message.uow_id),
        "x-parent-span-id": str(message.id),
        "traceparent": f"00-{message.uow_id.hex}-{message.id.hex[16:]}-01",
    }


def _quoted(reply: Reply, *masks: Mask) -> str:
    """Return the beginning of what a target said, without what must not be kept: a target may repeat what it got."""
    whole = reply.body.decode("utf-8", "replace")
    for mask in masks:
        whole = mask.text(whole)
    text = " ".join(whole[:1000].split())[:200]
    return f": {text}" if text.isprintable() and text else ""


def _retry_after(reply: Reply) -> float:
    """Return the seconds of Retry-After; dates, which few targets send, are passed over."""
    text = reply.headers.get("retry-after", "")
    return min(float(text), LONGEST_RETRY_SECONDS) if text.isascii() and text.isdigit() else 0.0
