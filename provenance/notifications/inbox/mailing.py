"""The digest of an inbox: one mail with what is new and unread, at the hour that its person chose.

At least once: a worker that dies after it handed the mail over leaves one that is sent again, with the same
Message-ID. What a digest told of stays unread in the inbox, and is in no other digest.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy import Row

from provenance.core.clock import NANOS, iso_millis
from provenance.core.db import WriteTx
from provenance.core.errors import Unavailable
from provenance.core.ids import encode
from provenance.ledger.service import Ledger
from provenance.notifications.inbox import queries, service
from provenance.notifications.inbox.schemas import DigestClaim
from provenance.notifications.mailing import Courier, MailRefused, MailUncertain
from provenance.notifications.recipients import addresses
from provenance.workspace.service import instance_id

AT_ONCE = 16
LEASE_SECONDS = 90.0
"""Longer than sending may take: nobody else sends it meanwhile."""
SENDING_SECONDS = 60.0
RETRY_SECONDS = 900
MOST_TOLD = 100

log: Any = structlog.get_logger("notifications.inbox")


class InboxDigests:
    """Sends digests that are due, for one worker."""

    def __init__(self, ledger: Ledger, courier: Courier) -> None:
        """Take the ledger and the way to the mail server."""
        self._ledger = ledger
        self._courier = courier

    async def send_due(self) -> int:
        """Send what is due; return how many digests were in hand."""
        async with self._ledger.db.housekeeping() as tx:
            until = tx.now + int(LEASE_SECONDS * NANOS)
            found = await queries.claim_digests(tx, uuid.uuid4(), until, limit=AT_ONCE)
        await asyncio.gather(*(self._survive(each) for each in found))
        return len(found)

    async def _survive(self, claim: DigestClaim) -> None:
        again = True
        told = claim.told
        try:
            async with asyncio.timeout(SENDING_SECONDS):
                told, again = await self._send(claim), False
        except (MailRefused, MailUncertain) as error:
            log.warning("digest_not_sent", error=str(error))
        except Unavailable:
            log.warning("database_away")
            return
        except Exception as error:
            log.error("digest_failed", error=type(error).__name__)
        with contextlib.suppress(Unavailable):
            async with self._ledger.db.housekeeping(claim.workspace_id) as tx:
                await _settle(tx, claim, told, again=again)

    async def _send(self, claim: DigestClaim) -> int:
        """Send one, if there is anything to tell; return up to which number everything is told."""
        async with self._ledger.db.housekeeping(claim.workspace_id) as tx:
            rows = await queries.page(tx, claim.person_id, before=None, limit=MOST_TOLD, unread=True)
            unread = await queries.unread(tx, claim.person_id)
            everywhere = await instance_id(tx)
        fresh = [row for row in rows if row.number > claim.told]
        if not fresh or not self._courier.sends:
            return claim.told
        instance_keys = await self._ledger.keyring.of(everywhere)
        async with self._ledger.db.housekeeping(claim.workspace_id) as tx:
            to = await addresses(tx, instance_keys, [encode("user", claim.person_id)])
        if to:
            name = f"inbox.{claim.workspace_id}.{claim.person_id}.{fresh[0].number}"
            subject = f"[Provenance] {len(fresh)} new for you, {unread} unread"
            mail = self._courier.letter(to, subject, self._text(fresh), message_id=name)
            await self._courier.hand_over(mail, to)
        return int(fresh[0].number)

    def _text(self, rows: Sequence[Row[Any]]) -> str:
        lines = "".join(f"{_line(row)}\n" for row in rows)
        return (
            f"New in your inbox since the last digest, newest first:\n\n{lines}\n"
            f"Read it, or change what is mailed to you: {self._ledger.settings.base_url}/console/inbox\n"
        )


def _line(row: Row[Any]) -> str:
    about = row.title or row.resource_id or ""
    shown = " ".join("".join(each if each.isprintable() else " " for each in about).split())[:200]
    return f"{iso_millis(row.recorded_at)}  {row.event}  {shown}".rstrip()


async def _settle(tx: WriteTx, claim: DigestClaim, told: int, *, again: bool) -> None:
    """Note what was told and when the next digest is for; one that failed is tried again in a quarter of an hour."""
    preferred = (await queries.told(tx, [claim.person_id])).get(claim.person_id)
    if preferred is None:
        return
    due_at = tx.now + RETRY_SECONDS * NANOS if again else service.next_digest(preferred, tx.now)
    await queries.set_digest(tx, claim, due_at, told)
