"""From the bus to a stream, along the numbers of the ledger: the cursor moves when the servers have acknowledged.

Messages of one topic and key go one after the other, everything else at once. What went over beyond one that failed is
remembered, and the message's id is JetStream's own (`Nats-Msg-Id`), so that what is sent again is told and dropped.
"""

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from nats.errors import Error, MaxPayloadError
from nats.js.errors import APIError, NoStreamResponseError

from provenance.audit import service as audit
from provenance.bus.bridges import queries
from provenance.bus.bridges.arriving import CORRELATION, HOP_COUNT, MSG_ID, TOPIC_KEY
from provenance.bus.bridges.connecting import SECONDS, Link
from provenance.bus.bridges.errors import BridgeFailed, NotMappable
from provenance.bus.bridges.mapping import subject_of
from provenance.bus.bridges.planning import Going, Plan, plan
from provenance.bus.bridges.recording import hold, recovered
from provenance.bus.bridges.schemas import PREFIX, Claim, DeadLetter, Publish, Row
from provenance.bus.events import BusEvent
from provenance.bus.filters import wants_of
from provenance.bus.messages.schemas import PREFIX as MESSAGE
from provenance.bus.messages.schemas import Row as Message
from provenance.core.clock import until
from provenance.core.db import WriteTx
from provenance.core.ids import encode, new_uuid
from provenance.ledger.service import Ledger

LOOK_SECONDS = 1.0
_TOO_LARGE = 10054
"""JetStream's code for a message over the stream's limit."""


class Refused(Exception):
    """The message will never be taken. ``code`` says why in a word."""

    def __init__(self, code: str, said: str) -> None:
        super().__init__(said)
        self.code = code


class Outcome:
    """What became of a batch: numbers that are done, how many the servers knew already, what never goes, errors."""

    def __init__(self) -> None:
        """Begin with nothing done."""
        self.done: set[int] = set()
        self.repeated = 0
        self.dead: list[tuple[Going, Refused]] = []
        self.errors: list[BridgeFailed] = []


class Sender:
    """One bridge that publishes, in one worker's hand."""

    def __init__(self, ledger: Ledger, claim: Claim, row: Row, rang: asyncio.Event) -> None:
        """Take the ledger, the bridge, and what is set when the ledger grew."""
        rule = row.input
        assert rule.publish is not None, "the bridge publishes"
        self._ledger = ledger
        self._claim = claim
        self._rule: Publish = rule.publish
        self._stream = rule.stream
        self._name = encode(PREFIX, row.id)
        self._rang = rang
        stored = row.rule["publish"]["filter"]
        self._wants = None if stored is None else wants_of(stored)
        self._well = False

    async def run(self, link: Link) -> None:
        """Publish until cancelled. Raises BridgeFailed and Lost."""
        while True:
            self._rang.clear()
            async with self._ledger.db.housekeeping(self._claim.workspace_id) as tx:
                planned = await plan(tx, self._claim, self._ledger.catalogues, self._rule, self._wants)
                await self._note(tx, planned)
            if planned.going:
                await self._send(link, planned)
            elif not planned.more:
                await until(self._rang, LOOK_SECONDS)

    async def _note(self, tx: WriteTx, planned: Plan) -> None:
        """Note that the bridge works; where nothing is to go the cursor moves at once. Writes only what changed."""
        values: dict[str, Any] = {"connected": True, "lag": planned.lag}
        if not planned.going:
            values |= {"number": planned.upto, "ahead": []}
        changed = {name: value for name, value in values.items() if getattr(planned.state, name) != value}
        if planned.expired and not planned.going:
            changed["expired"] = queries.plus("expired", planned.expired)
        if changed:
            await hold(tx, self._claim, **changed)
        if not self._well and not planned.going:
            self._well = True
            await recovered(tx, self._claim)

    async def _send(self, link: Link, planned: Plan) -> None:
        """Send a batch, and keep what became of it. Raises BridgeFailed when not everything went over."""
        outcome = Outcome()
        await asyncio.gather(*[self._send_lane(link, lane, outcome) for lane in _lanes(planned.going)])
        left = [each.number for each in planned.going if each.number not in outcome.done]
        upto = min(left) - 1 if left else planned.upto
        ahead = sorted(number for number in {*planned.state.ahead, *outcome.done} if number > upto)
        counts = {
            "passed": len(outcome.done) - outcome.repeated - len(outcome.dead),
            "repeated": outcome.repeated,
            "dead": len(outcome.dead),
            "expired": 0 if left else planned.expired,
        }
        added = {name: queries.plus(name, number) for name, number in counts.items() if number}
        async with self._ledger.db.housekeeping(self._claim.workspace_id) as tx:
            await hold(tx, self._claim, **added, number=upto, ahead=ahead, passed_at=tx.now)
            for going, refused in outcome.dead:
                await self._bury(tx, going, refused)
            if not left:
                await recovered(tx, self._claim)
        if outcome.errors:
            raise outcome.errors[0]

    async def _send_lane(self, link: Link, lane: Sequence[Going], outcome: Outcome) -> None:
        """Send messages of one topic and key in their order; behind one that failed the others wait."""
        for going in lane:
            try:
                known = await self._send_one(link, going)
            except Refused as refused:
                outcome.dead.append((going, refused))
            except BridgeFailed as error:
                outcome.errors.append(error)
                return
            else:
                outcome.repeated += known
            outcome.done.add(going.number)

    async def _send_one(self, link: Link, going: Going) -> bool:
        """Send a message; tell whether the servers had it already. Raises Refused and BridgeFailed."""
        try:
            subject = subject_of(self._rule.subject, going.message.topic)
        except NotMappable as error:
            raise Refused("bad_subject", str(error)) from None
        headers = _headers(going.message)
        try:
            taken = await link.jetstream.publish(
                subject, going.payload, timeout=SECONDS, stream=self._stream, headers=headers
            )
        except MaxPayloadError:
            raise Refused("too_large", f"The servers take at most {link.client.max_payload:,} bytes.") from None
        except APIError as error:
            if error.err_code == _TOO_LARGE:
                raise Refused("too_large", "The message is larger than the stream takes.") from None
            raise BridgeFailed(f"The stream refused {subject}: {error.description}") from None
        except NoStreamResponseError:
            raise BridgeFailed(f"No stream takes {subject}.") from None
        except Error as error:
            raise BridgeFailed(f"{subject} was not acknowledged: {type(error).__name__}") from None
        return bool(taken.duplicate)

    async def _bury(self, tx: WriteTx, going: Going, refused: Refused) -> None:
        """Record that a message never goes over, and keep which."""
        row, said = going.message, str(refused)
        dead = DeadLetter(new_uuid(), row.topic, {}, len(going.payload), None, row.id, refused.code, said, tx.now)
        await queries.insert_dead_letter(tx, self._claim.bridge_id, dead)
        data = {"topic": row.topic, "msgId": encode(MESSAGE, row.id), "code": refused.code, "said": said}
        audit.record(tx, BusEvent.DEAD_LETTERED, self._name, data, risk=audit.Risk.MEDIUM, outcome="failure")


def _lanes(going: Sequence[Going]) -> list[list[Going]]:
    """Group what has an order; the rest goes one by one."""
    lanes: dict[object, list[Going]] = {}
    for each in going:
        key = each.message.topic_key
        lanes.setdefault(each.number if key is None else (each.message.topic, key), []).append(each)
    return list(lanes.values())


def _headers(message: Message) -> dict[str, str]:
    """Return what a subject and a payload can't carry; free texts are percent-encoded."""
    headers = {
        MSG_ID: encode(MESSAGE, message.id),
        "Provenance-Topic": message.topic,
        HOP_COUNT: str(message.hop_count),
        "x-uowid": str(message.uow_id),
        "x-parent-span-id": str(message.id),
        "traceparent": f"00-{message.uow_id.hex}-{message.id.hex[16:]}-01",
    }
    for name, text in ((TOPIC_KEY, message.topic_key), (CORRELATION, message.correlation_id)):
        if text is not None:
            headers[name] = quote(text, safe="!#$&'()*+,/:;=?@[]")
    return headers
