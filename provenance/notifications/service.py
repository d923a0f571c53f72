"""The verbs of notifications: show and replace the settings, note that an event is to be told."""

from collections.abc import Sequence
from typing import Any

from provenance.audit import service as audit
from provenance.core.db import ReadTx, WriteTx
from provenance.core.keyring import WorkspaceKeys
from provenance.ledger.feed import Row
from provenance.notifications import queries
from provenance.notifications.errors import ChannelNotSetUp, ChannelSecretNeeded, RecipientsNeeded
from provenance.notifications.inbox import service as inbox
from provenance.notifications.recipients import opened, sealed
from provenance.notifications.rules import told
from provenance.notifications.schemas import (
    ChannelKind,
    ChannelsAsked,
    ChannelsShown,
    EmailChannel,
    InAppChannel,
    SettingsAsked,
    SettingsEvent,
    SettingsShown,
    SlackChannel,
    Stored,
    WebhookChannel,
    WebhookChannelAsked,
)
from provenance.notifications.slack import INTEGRATION, Way

SECRET_PURPOSE = "notifications.secret"  # noqa: S105 — names what a key is for
SENT = frozenset({ChannelKind.EMAIL, ChannelKind.SLACK, ChannelKind.WEBHOOK})
"""Channels that somebody has to be called for; an inbox is filled on the spot."""


async def get(tx: ReadTx, keys: WorkspaceKeys) -> SettingsShown:
    """Return the workspace's settings; everything is off where it never had any."""
    return _shown(await queries.settings(tx), keys)


async def update(tx: WriteTx, keys: WorkspaceKeys, slack: Way, asked: SettingsAsked) -> SettingsShown:
    """Replace the workspace's settings. Raises ChannelNotSetUp, ChannelSecretNeeded and RecipientsNeeded."""
    await _ensure_slack(tx, slack, asked.channels.slack)
    _ensure_set_up(asked)
    before = await queries.lock(tx)
    secret = _secret(asked.channels.webhook, before, keys)
    channels = asked.channels.model_dump(
        by_alias=True, mode="json", exclude={"email": {"recipients"}, "webhook": {"secret"}}
    )
    rules = [rule.model_dump(by_alias=True, mode="json") for rule in asked.rules]
    values = {
        "channels": channels,
        "rules": rules,
        "recipients": sealed(keys, asked.channels.email.recipients),
        "secret": secret,
        "updated_at": tx.now,
        "updated_by": tx.actor.id,
    }
    await queries.put(tx, values)
    data = {"channels": _on(asked.channels), "rules": rules, "recipients": len(asked.channels.email.recipients)}
    audit.record(tx, SettingsEvent.UPDATED, "notifications", data, risk=audit.Risk.MEDIUM)
    return await get(tx, keys)


async def note(tx: WriteTx, rows: Sequence[Row], event: str) -> None:
    """Note on which channels each row of an event is to be told. Noting one twice changes nothing."""
    settings = await queries.settings(tx)
    if settings is not None:
        for row in rows:
            await _note(tx, settings, row, event)


async def _note(tx: WriteTx, settings: Stored, row: Row, event: str) -> None:
    moments = told(settings.rules, event, row.risk, row.data(), tx.now)
    wanted = {channel: moment for channel, moment in moments.items() if channel in SENT}
    if wanted:
        await queries.add(tx, row.number, wanted)
    if ChannelKind.IN_APP in moments:
        channel = InAppChannel.model_validate(settings.channels["inApp"])
        if channel.enabled:
            await inbox.put(tx, inbox.news_of(row, event, title=_title(row)), [each.text for each in channel.to])


async def _ensure_slack(tx: ReadTx, slack: Way, channel: SlackChannel | None) -> None:
    """Refuse a channel whose connection leads elsewhere, or is none. Raises ChannelNotSetUp."""
    if channel is not None and await slack.integration_of(tx, channel.connection_id) != INTEGRATION:
        raise ChannelNotSetUp.at("channels.slack.connectionId", "names no connection to Slack of this workspace")


def _title(row: Row) -> str | None:
    """Return what an event calls its object, where it does."""
    found = row.data()
    named = found.get("title") or found.get("name")
    return named[:500] if isinstance(named, str) else None


def _ensure_set_up(asked: SettingsAsked) -> None:
    """Refuse rules whose channels lead nowhere: what is not told should not look as if it were."""
    channels = asked.channels
    if channels.email.enabled and not channels.email.recipients:
        raise RecipientsNeeded.at("channels.email.recipients", "mail is on and goes to nobody")
    on = set(_on(channels))
    for at, rule in enumerate(asked.rules):
        for place, channel in enumerate(rule.channels):
            if channel.value not in on:
                raise ChannelNotSetUp.at(f"rules[{at}].channels[{place}]", f"{channel.value} is not set up or off")


def _on(channels: ChannelsAsked) -> list[str]:
    wanted = {
        ChannelKind.EMAIL: channels.email.enabled,
        ChannelKind.SLACK: channels.slack is not None,
        ChannelKind.WEBHOOK: channels.webhook is not None,
        ChannelKind.IN_APP: channels.in_app.enabled,
    }
    return [kind.value for kind, on in wanted.items() if on]


def _secret(webhook: WebhookChannelAsked | None, before: Stored | None, keys: WorkspaceKeys) -> bytes | None:
    """Return the webhook's sealed secret. One that is not given again stays, but goes nowhere else."""
    if webhook is None:
        return None
    if webhook.secret is not None:
        return keys.seal(SECRET_PURPOSE, webhook.secret.get_secret_value().encode())
    known = before.channels.get("webhook") if before is not None else None
    if before is None or known is None or WebhookChannel.model_validate(known).place != webhook.place:
        raise ChannelSecretNeeded.at("channels.webhook.secret", "is needed here, also when the webhook moves")
    return before.secret


def _shown(stored: Stored | None, keys: WorkspaceKeys) -> SettingsShown:
    if stored is None:
        return SettingsShown(
            channels=ChannelsShown(email=EmailChannel(), slack=None, webhook=None, in_app=InAppChannel()),
            rules=[],
        )
    channels: dict[str, Any] = {**stored.channels}
    channels["email"] = {**channels["email"], "recipients": opened(keys, stored.recipients)}
    if channels["webhook"] is not None:
        channels["webhook"] = {**channels["webhook"], "hasSecret": stored.secret is not None}
    return SettingsShown(channels=ChannelsShown.model_validate(channels), rules=stored.rules)
