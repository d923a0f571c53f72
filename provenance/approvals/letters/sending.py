"""The worker's side of letters: take what is due in hand, make its link, send it, forget it.

At least once: a letter that is sent again has the same Message-ID, and a link of its own.
"""

import asyncio
import contextlib
import uuid
from typing import Any

import structlog
from sqlalchemy import Row

from provenance.approvals import policy, queries
from provenance.approvals.grants.using import acting_member
from provenance.approvals.letters import composing
from provenance.approvals.letters import queries as letters
from provenance.approvals.letters.schemas import Letter, Occasion
from provenance.approvals.links import making as links
from provenance.approvals.schemas import Status
from provenance.approvals.settling import wire_id
from provenance.audit import service as audit
from provenance.core.clock import NANOS, now_ns
from provenance.core.db import WriteTx
from provenance.core.errors import Unavailable
from provenance.core.ids import encode
from provenance.ledger.service import Ledger
from provenance.notifications.mailing import Courier, MailRefused, MailUncertain
from provenance.notifications.recipients import addresses
from provenance.notifications.schemas import SettingsEvent
from provenance.notifications.sending import GIVEN_UP_AFTER, backoff
from provenance.workspace.service import instance_id

AT_ONCE = 16
LEASE_SECONDS = 90.0
"""Longer than sending may take: nobody else sends it meanwhile."""
SENDING_SECONDS = 60.0

log: Any = structlog.get_logger("approvals.letters")


class NobodyAsked(Exception):
    """The approval is decided, or its letter's reader has no say in it any more."""


class Postman:
    """Sends what is due, for one worker."""

    def __init__(self, ledger: Ledger, courier: Courier) -> None:
        """Take the ledger and the way to the mail server."""
        self._ledger = ledger
        self._courier = courier

    async def deliver(self) -> int:
        """Send letters that are due; return how many were in hand."""
        now = now_ns()
        until = now + int(LEASE_SECONDS * NANOS)
        found = await letters.claim(self._ledger.db, now, uuid.uuid4(), until, limit=AT_ONCE)
        await asyncio.gather(*(self._deliver(each) for each in found))
        return len(found)

    async def _deliver(self, letter: Letter) -> None:
        error: Exception | None = None
        try:
            async with asyncio.timeout(SENDING_SECONDS):
                await self._send(letter)
        except NobodyAsked:
            pass
        except Unavailable:
            log.warning("database_away")
            return
        except (TimeoutError, MailRefused, MailUncertain) as failure:
            error = failure
        except Exception as failure:
            log.error("letter_failed", error=type(failure).__name__)
            error = failure
        await self._settle(letter, error)

    async def _send(self, letter: Letter) -> None:
        if not self._courier.sends:
            raise NobodyAsked
        async with self._ledger.db.housekeeping(letter.workspace_id) as tx:
            everywhere = await instance_id(tx)
        instance_keys = await self._ledger.keyring.of(everywhere)
        async with self._ledger.db.housekeeping(letter.workspace_id) as tx:
            row = await _asked_of(tx, letter)
            to = await addresses(tx, instance_keys, [encode("user", letter.person_id)])
            token = await links.make(tx, row, letter.person_id) if to and links.decides(row) else None
        if not to:
            raise NobodyAsked
        occasion = Occasion(letter.occasion)
        message_id = f"approval.{letter.approval_id}.{letter.number}.{letter.person_id}"
        text = composing.text(row, occasion, self._ways(row, token))
        mail = self._courier.letter(to, composing.subject(row, occasion), text, message_id=message_id)
        await self._courier.hand_over(mail, to)

    def _ways(self, row: Row[Any], token: str | None) -> composing.Ways:
        base, approval = self._ledger.settings.base_url, wire_id(row.id)
        link = None if token is None else f"{base}/approvals/{approval}/decide?token={token}"
        return composing.Ways(link, f"{base}/console/approvals/{approval}")

    async def _settle(self, letter: Letter, error: Exception | None) -> None:
        with contextlib.suppress(Unavailable):
            async with self._ledger.db.housekeeping(letter.workspace_id) as tx:
                if error is None:
                    await letters.done(tx, letter)
                elif tx.now - letter.created_at > GIVEN_UP_AFTER:
                    await _give_up(tx, letter, error)
                else:
                    await letters.put_off(tx, letter, tx.now + int(backoff(letter.failures + 1) * NANOS))


async def _asked_of(tx: WriteTx, letter: Letter) -> Row[Any]:
    """Return the approval that a letter's reader may decide now. Raises NobodyAsked."""
    row = await queries.one(tx, letter.approval_id)
    reader = await acting_member(tx, encode("user", letter.person_id))
    if row is None or reader is None or row.status != Status.PENDING or not policy.may_decide(reader, row.assignees):
        raise NobodyAsked
    return row


async def _give_up(tx: WriteTx, letter: Letter, error: Exception) -> None:
    """Forget a letter that failed for a day, and record who was not told."""
    if await letters.done(tx, letter):
        who, what = encode("user", letter.person_id), wire_id(letter.approval_id)
        data = {"channel": "email", "seq": letter.number, "reason": type(error).__name__, "approvalId": what}
        audit.record(
            tx, SettingsEvent.UNDELIVERED, "notifications", {**data, "to": who}, risk=audit.Risk.HIGH, outcome="failure"
        )
