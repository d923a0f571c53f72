"""Kind `action` with the target `bus`: publishes a message (spec/automation.md, 6.1 and 8), once for each step.

The message, its deliveries and its entry are one commit, in the run's unit of work below the step's span. A step that
is carried out again, because a worker or an answer of the database was lost, finds what it published.
"""

import uuid
from collections.abc import Callable
from typing import Any

import msgspec

from provenance.billing.allowing import Allowed
from provenance.bus.messages.reading import checked
from provenance.bus.messages.schemas import PREFIX, Publication, Row, Sent
from provenance.bus.messages.service import said_of
from provenance.bus.publishing import publish, published_before
from provenance.core.actor import Actor, Kind
from provenance.core.errors import Problem
from provenance.core.ids import encode, new_uuid
from provenance.core.routing import bad_json
from provenance.ledger.service import Ledger
from provenance.proof.canonical import BadJson, canonical
from provenance.runs.doers.contract import Call, Chosen, Outside
from provenance.runs.events import SYSTEM, step_span, workflow_wire_id
from provenance.runs.interpreting.results import Done, Failed, Park, Result

Grew = Callable[[uuid.UUID], None]
"""Is told of a workspace that has something to deliver."""


class Publish:
    """Publishes."""

    def __init__(self, ledger: Ledger, grew: Grew) -> None:
        """Take the ledger, and whom to tell of something to deliver."""
        self._ledger = ledger
        self._grew = grew
        self._allowed = Allowed(ledger, "busMessages")

    def waits(self, call: Call) -> Park | None:
        """Nobody waits for what becomes of a message."""
        return None

    def resume(self, call: Call, outcome: Any) -> Result:
        """No wait of it is ever opened."""
        raise AssertionError("a message never parks")

    async def perform(self, call: Call) -> Result:
        """Publish, unless this step did so before."""
        try:
            row = await self._published(publication_of(call), call.workspace_id)
        except Problem as error:
            return Failed("unavailable" if error.status == 503 else error.code, error.detail)
        return Done(said_of(row, encode(PREFIX, row.id)))

    async def _published(self, publication: Publication, workspace_id: uuid.UUID) -> Row:
        actor = Actor(Kind(SYSTEM[1]), SYSTEM[0], workspace_id)
        async with self._ledger.db.write(actor) as tx:
            before = await published_before(tx, publication)
            if before is not None:
                return before
            await self._allowed.take(workspace_id)
            [routed] = await publish(tx, [publication])
        if routed.deliveries:
            self._grew(workspace_id)
        return routed.row


class Action(Chosen):
    """Kind `action`: on the bus, or over HTTP."""

    def __init__(self, http: Outside, publish: Outside) -> None:
        """Take what carries out either."""
        self._http, self._publish = http, publish

    def _of(self, call: Call) -> Outside:
        return self._publish if call.config["target"] == "bus" else self._http


def publication_of(call: Call) -> Publication:
    """Return the message of a step. Raises BadTopic, BadMessage, and Invalid for a payload that can't be stored.

    It has as many hops as its run, which is one further than the message that started it.
    """
    payload = _payload(call.config.get("payload", call.input))
    sent = Sent(
        topic=_text(call.config["topic"]) or "",
        payload=msgspec.Raw(payload),
        topic_key=_text(call.config.get("topicKey")),
        correlation_id=_text(call.config.get("correlationId")),
        ttl_seconds=call.config.get("ttlSeconds"),
    )
    return Publication(
        id=new_uuid(),
        topic=sent.topic,
        payload=payload.decode(),
        producer_id=workflow_wire_id(call.workflow_id),
        producer_kind="workflow",
        acting=SYSTEM,
        topic_key=sent.topic_key,
        correlation_id=sent.correlation_id,
        ttl_seconds=checked(sent),
        hop_count=call.hop_count,
        origin_run_id=call.run_id,
        uow_id=call.run_id,
        parent_span_id=step_span(call.run_id, call.step.key, call.iteration),
    )


def _payload(value: Any) -> bytes:
    try:
        return canonical(value)
    except BadJson as error:
        raise bad_json(error, "payload.") from None


def _text(value: Any) -> str | None:
    """Return what a template gave as a text; a lone expression may have given anything."""
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
