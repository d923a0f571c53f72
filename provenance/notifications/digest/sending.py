"""The worker's side of the digest: take it in hand, write it, hand it over once, record that it went out.

Before the text is handed to the mail server the row says so. A worker that dies before that leaves a digest that
another sends; one that dies after it leaves a digest that nobody sends again: that it may not have arrived is recorded
(outcome ``unknown``), and the next one tells the same events again.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from provenance.audit import service as audit
from provenance.core.clock import NANOS, iso_millis
from provenance.core.db import WriteTx
from provenance.core.errors import Unavailable
from provenance.ledger.service import Ledger
from provenance.notifications.digest import composing, queries
from provenance.notifications.digest.schemas import Claim, Contents, DigestEvent, Phase, Stored
from provenance.notifications.digest.service import run_after
from provenance.notifications.mailing import Courier, MailRefused, MailUncertain
from provenance.notifications.recipients import addresses, opened
from provenance.workspace.service import details, instance_id

AT_ONCE = 4
LEASE_SECONDS = 180.0
"""Longer than writing and sending may take."""
SENDING_SECONDS = 120.0
LONGEST_BACKOFF_SECONDS = 3600
FIRST_BACKOFF_SECONDS = 30

log: Any = structlog.get_logger("notifications.digest")


class ClaimLost(Exception):
    """Another worker, or an administrator, has the digest now."""


class Digests:
    """Sends what is due, for one worker."""

    def __init__(self, ledger: Ledger, courier: Courier, *, lease_seconds: float = LEASE_SECONDS) -> None:
        """Take the ledger and the way to the mail server."""
        self._ledger = ledger
        self._courier = courier
        self._lease_seconds = lease_seconds

    async def send_due(self) -> int:
        """Send the digests that are due; return how many were in hand."""
        async with self._ledger.db.housekeeping() as tx:
            until = tx.now + int(self._lease_seconds * NANOS)
            claims = await queries.claim(tx, uuid.uuid4(), until, limit=AT_ONCE)
        await asyncio.gather(*(self._survive(each) for each in claims))
        return len(claims)

    async def _survive(self, claim: Claim) -> None:
        try:
            async with asyncio.timeout(SENDING_SECONDS):
                await self._send(claim)
        except ClaimLost:
            log.info("digest_taken_over", workspace=str(claim.workspace_id))
        except MailRefused as error:
            await self._failed(claim, str(error), nothing_sent=True)
        except Unavailable:
            log.warning("database_away", workspace=str(claim.workspace_id))
        except Exception as error:
            log.error("digest_failed", workspace=str(claim.workspace_id), error=type(error).__name__)
            said = "The platform failed to write or send it; its log says why."
            await self._failed(claim, said, nothing_sent=False)

    async def _send(self, claim: Claim) -> None:
        keys = await self._ledger.keyring.of(claim.workspace_id)
        async with self._ledger.db.housekeeping(claim.workspace_id) as tx:
            everywhere = await instance_id(tx)
            stored = await self._begun(tx, claim)
            if stored is None:
                return
            slug = (await details(tx, self._ledger.settings)).slug
        instance_keys = await self._ledger.keyring.of(everywhere)
        async with self._ledger.db.housekeeping(claim.workspace_id) as tx:
            contents = await composing.read(tx, self._ledger.catalogues, keys, stored, slug)
            to = await addresses(tx, instance_keys, opened(keys, stored.recipients))
        if not to:
            raise MailRefused("None of the recipients is there any more.")
        uncertain = await self._hand_over(claim, stored, contents, to)
        async with self._ledger.db.housekeeping(claim.workspace_id) as tx:
            await _settle(tx, claim, contents, len(to), uncertain)

    async def _begun(self, tx: WriteTx, claim: Claim) -> Stored | None:
        """Return the digest to send; None when it is off, or was left by a worker that died handing it over."""
        stored = await queries.held(tx, claim)
        if stored is None:
            raise ClaimLost
        if stored.phase == Phase.HANDING_OVER.value:
            said = "A worker ended while the mail server had it: it may have arrived, and is not sent again."
            await _settle(tx, claim, None, 0, said)
            return None
        return stored

    async def _hand_over(self, claim: Claim, stored: Stored, contents: Contents, to: list[str]) -> str | None:
        """Hand the mail over; return why it is not certain that it arrived, None when it is."""
        message_id = f"audit-digest.{claim.workspace_id}.{stored.run_at}"
        letter = self._courier.letter(
            to, composing.subject(contents), composing.text(contents, stored, self._link()), message_id=message_id
        )
        if contents.csv is not None:
            letter.add_attachment(
                contents.csv, maintype="text", subtype="csv", filename="audit.csv", params={"charset": "utf-8"}
            )
        try:
            await self._courier.hand_over(letter, to, before=self._marked(claim))
        except MailUncertain as error:
            return str(error)
        return None

    def _marked(self, claim: Claim) -> Callable[[], Awaitable[None]]:
        async def mark() -> None:
            async with self._ledger.db.housekeeping(claim.workspace_id) as tx:
                if not await queries.set_held(tx, claim, phase=Phase.HANDING_OVER.value):
                    raise ClaimLost

        return mark

    def _link(self) -> str:
        settings = self._ledger.settings
        return f"{(settings.public_url or f'http://localhost:{settings.port}').rstrip('/')}/audit"

    async def _failed(self, claim: Claim, said: str, *, nothing_sent: bool) -> None:
        """Try again later; unless it may have been sent, which is settled when the lease has run out."""
        with contextlib.suppress(Unavailable):
            async with self._ledger.db.housekeeping(claim.workspace_id) as tx:
                stored = await queries.held(tx, claim)
                if stored is not None and (nothing_sent or stored.phase == Phase.WAITING.value):
                    await _put_off(tx, claim, stored, said)


async def _put_off(tx: WriteTx, claim: Claim, stored: Stored, said: str) -> None:
    wait = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS << min(stored.failures, 10))
    values: dict[str, Any] = {"lease": None, "leased_until": 0, "phase": Phase.WAITING.value}
    values |= {"failures": stored.failures + 1, "said": said}
    await queries.set_held(tx, claim, due_at=tx.now + wait * NANOS if stored.enabled else None, **values)


async def _settle(tx: WriteTx, claim: Claim, contents: Contents | None, recipients: int, uncertain: str | None) -> None:
    """Write down that a digest went out, or may have, and when the next one does."""
    stored = await queries.held(tx, claim)
    if stored is None:
        raise ClaimLost
    following = run_after(stored, tx.now)
    values: dict[str, Any] = {"run_at": following, "due_at": following, "phase": Phase.WAITING.value}
    values |= {"lease": None, "leased_until": 0, "failures": 0, "said": uncertain}
    if contents is not None and uncertain is None:
        values |= {"number": contents.last, "last_sent_at": tx.now}
    await queries.set_held(tx, claim, **values)
    data: dict[str, Any] = {"runAt": None if stored.run_at is None else iso_millis(stored.run_at)}
    if contents is not None:
        data |= {"fromSeq": contents.first, "toSeq": contents.last, "events": contents.total}
        data |= {"notable": contents.notable_total, "recipients": recipients, "csv": contents.csv is not None}
    outcome = "success" if uncertain is None else "unknown"
    audit.record(tx, DigestEvent.SENT, "audit_digest", data, outcome=outcome)
