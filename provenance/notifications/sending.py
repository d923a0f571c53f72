"""The worker's side of notifications: take what is due in hand, tell it, forget it.

At least once: a mail has the same Message-ID and a webhook the same delivery name when it is told again.
"""

import asyncio
import contextlib
import random
import uuid
from typing import Any

import structlog

from provenance.audit import service as audit
from provenance.audit.rendering import render
from provenance.audit.schemas import Event
from provenance.core.clock import NANOS, now_ns
from provenance.core.db import WriteTx
from provenance.core.egress import Egress
from provenance.core.errors import Problem, Unavailable
from provenance.ledger.entry import Columns
from provenance.ledger.service import Ledger
from provenance.notifications import queries
from provenance.notifications.mailing import Courier, MailRefused, MailUncertain
from provenance.notifications.recipients import addresses, opened
from provenance.notifications.schemas import ChannelKind, Delivery, SettingsEvent, SlackChannel, WebhookChannel
from provenance.notifications.service import SECRET_PURPOSE
from provenance.notifications.slack import LONGEST_WAIT_SECONDS, Place, Slack, SlackBusy, SlackRefused
from provenance.streams.targets.contract import FAILURES, NotDelivered
from provenance.streams.targets.posting import post
from provenance.streams.targets.webhook import signed_headers
from provenance.workspace.service import instance_id

AT_ONCE = 16
LEASE_SECONDS = 90.0
"""Longer than a delivery may take: nobody else tells it meanwhile."""
DELIVERY_SECONDS = 60.0
LONGEST_BACKOFF_SECONDS = 1800.0
GIVEN_UP_AFTER = 24 * 3600 * NANOS

log: Any = structlog.get_logger("notifications")


class NobodyToTell(Exception):
    """The settings have changed meanwhile: the channel is off, or all its recipients are gone."""


class Notifier:
    """Tells what is due, for one worker."""

    def __init__(self, ledger: Ledger, egress: Egress, courier: Courier, slack: Slack) -> None:
        """Take the ledger and the three ways out."""
        self._slack = slack
        self._ledger = ledger
        self._egress = egress
        self._courier = courier
        self.running: set[asyncio.Task[None]] = set()
        """What is in hand: each delivery is a task of its own, so a target that hangs holds up nobody else."""

    async def take(self) -> int:
        """Take what is due in hand, as much as there is room for; return how much."""
        room = AT_ONCE - len(self.running)
        if room <= 0:
            return 0
        now = now_ns()
        until = now + int(LEASE_SECONDS * NANOS)
        claims = await queries.claim(self._ledger.db, now, uuid.uuid4(), until, limit=room)
        for claim in claims:
            task = asyncio.create_task(self._tell(claim))
            self.running.add(task)
            task.add_done_callback(self.running.discard)
        return len(claims)

    async def stop(self) -> None:
        """Break off what is in hand; whoever takes it next tells it again."""
        for task in self.running:
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)

    async def _tell(self, delivery: Delivery) -> None:
        try:
            async with asyncio.timeout(DELIVERY_SECONDS):
                await self._deliver(delivery)
        except NobodyToTell:
            await self._settle(delivery, None)
        except Unavailable:
            log.warning("database_away")
        except (TimeoutError, MailRefused, MailUncertain, Problem, *FAILURES) as error:
            await self._settle(delivery, error)
        except Exception as error:
            log.error("notification_failed", channel=delivery.channel.value, error=type(error).__name__)
            await self._settle(delivery, error)
        else:
            await self._settle(delivery, None)

    async def _settle(self, delivery: Delivery, error: Exception | None) -> None:
        with contextlib.suppress(Unavailable):
            async with self._ledger.db.housekeeping(delivery.workspace_id) as tx:
                if error is None:
                    await queries.done(tx, delivery)
                elif tx.now - delivery.created_at > GIVEN_UP_AFTER or (
                    isinstance(error, SlackRefused) and error.for_good
                ):
                    await _give_up(tx, delivery, error)
                else:
                    asked = error.retry_after if isinstance(error, NotDelivered) else None
                    wait = min(asked, LONGEST_WAIT_SECONDS) if asked else backoff(delivery.failures + 1)
                    await queries.put_off(tx, delivery, tx.now + int(wait * NANOS))

    async def _deliver(self, delivery: Delivery) -> None:
        keys = await self._ledger.keyring.of(delivery.workspace_id)
        async with self._ledger.db.housekeeping(delivery.workspace_id) as tx:
            settings = await queries.settings(tx)
            row = await queries.event(tx, delivery.number)
            everywhere = await instance_id(tx)
            catalogue = await self._ledger.catalogues.within(tx)
        if settings is None or row is None:
            raise NobodyToTell
        event = render(row[0], Columns._make(row[1:]), catalogue, keys)
        if delivery.channel is ChannelKind.EMAIL:
            instance_keys = await self._ledger.keyring.of(everywhere)
            async with self._ledger.db.housekeeping(delivery.workspace_id) as tx:
                to = await addresses(tx, instance_keys, opened(keys, settings.recipients))
            await self._mail(event, to if settings.channels["email"]["enabled"] else [])
        elif delivery.channel is ChannelKind.SLACK:
            chosen = settings.channels["slack"]
            if chosen is None:
                raise NobodyToTell
            channel = SlackChannel.model_validate(chosen)
            place = Place(delivery.workspace_id, channel.connection_id, channel.channel)
            await self._slack.post(place, _subject(event), _text(event))
        else:
            known, secret = settings.channels["webhook"], settings.secret
            if known is None or secret is None:
                raise NobodyToTell
            url = WebhookChannel.model_validate(known).url
            await self._post(event, url, keys.open(SECRET_PURPOSE, secret).decode())

    async def _mail(self, event: Event, to: list[str]) -> None:
        if not to:
            raise NobodyToTell
        message_id = f"notification.{event.event_id}"
        letter = self._courier.letter(to, _subject(event), _text(event), message_id=message_id)
        await self._courier.hand_over(letter, to)

    async def _post(self, event: Event, url: str, secret: str) -> None:
        body = event.model_dump_json(by_alias=True).encode()
        headers = signed_headers(secret, body, f"notification-{event.event_id}", "application/json")
        await post(self._egress, url, headers, body)


async def _give_up(tx: WriteTx, delivery: Delivery, error: Exception) -> None:
    """Forget a delivery that failed for a day, and record that nobody was told."""
    if await queries.done(tx, delivery):
        data = {"channel": delivery.channel.value, "seq": delivery.number, "reason": _reason(error)}
        audit.record(tx, SettingsEvent.UNDELIVERED, "notifications", data, risk=audit.Risk.MEDIUM, outcome="failure")


def _reason(error: Exception) -> str:
    """Return a word for why something could not be told."""
    return error.code if isinstance(error, Problem | SlackRefused | SlackBusy) else type(error).__name__


def backoff(failures: int) -> float:
    """Return how many seconds to wait after this many failures: up to 2, 4, 8 … half an hour, at least half of it."""
    longest = min(LONGEST_BACKOFF_SECONDS, 2.0 ** min(failures, 16))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 — spreads retries, keeps no secret


def _subject(event: Event) -> str:
    named = event.object_name or event.object_id
    return f"[Provenance] {event.event_type}" + (f": {named}" if named else "")


def _text(event: Event) -> str:
    """Write what happened; ids only, the details stay where they are protected."""
    lines = {
        "Event": event.event_type,
        "Risk": event.risk,
        "When": event.at,
        "Who": f"{event.actor_kind} {event.actor_id}",
        "What": f"{event.object_kind} {event.object_id or ''}",
        "Outcome": event.outcome,
        "Run": event.run_id,
        "Workspace": event.workspace_id,
        "Audit event": f"{event.event_id} (number {event.seq})",
    }
    return "".join(f"{name}: {value}\n" for name, value in lines.items() if value)
