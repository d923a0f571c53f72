"""The verbs of subscriptions."""

from typing import Any

import msgspec

from provenance.audit import service as audit
from provenance.bus.deliveries import queries as deliveries
from provenance.bus.deliveries.schemas import room_of
from provenance.bus.events import BusEvent
from provenance.bus.filters import wants_of
from provenance.bus.subscriptions import queries
from provenance.bus.subscriptions.errors import (
    BadTarget,
    SubscriptionExists,
    SubscriptionNameTaken,
    SubscriptionStale,
    TooManySubscriptions,
    UnknownSubscription,
)
from provenance.bus.subscriptions.rendering import shown
from provenance.bus.subscriptions.schemas import (
    PREFIX,
    Deleted,
    DeliveryRules,
    Row,
    SecretRotated,
    Subscription,
    SubscriptionInput,
    SubscriptionMade,
    Subscriptions,
)
from provenance.bus.subscriptions.sealing import Sealed, Signing, new_secret, opened, seal
from provenance.core import cursors
from provenance.core.clock import NANOS, iso_millis
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import encode, new_uuid
from provenance.core.keyring import WorkspaceKeys
from provenance.secrets import service as secrets
from provenance.secrets.errors import BadReference, SecretNotFound
from provenance.secrets.schemas import Purpose

MOST = 1_000
KIND = "bus_subscription"
_LIST = cursors.binding("bus.subscriptions")


class _Position(msgspec.Struct):
    before: str


async def page(tx: ReadTx, keys: WorkspaceKeys, *, limit: int, cursor: str | None) -> Subscriptions:
    """Return a page of subscriptions. Raises BadCursor."""
    before = None if cursor is None else cursors.read(keys, _LIST, cursor, _Position).before
    rows = await queries.page(tx, before, limit + 1)
    kept = rows[:limit]
    return Subscriptions(
        items=await _shown(tx, keys, kept),
        next_cursor=cursors.write(keys, _LIST, {"before": kept[-1].id}) if len(rows) > limit else None,
    )


async def get(tx: ReadTx, keys: WorkspaceKeys, subscription_id: str) -> tuple[Subscription, int]:
    """Return a subscription and its revision. Raises UnknownSubscription."""
    row = await found(tx, subscription_id)
    return (await _shown(tx, keys, [row]))[0], row.revision


async def create(
    tx: WriteTx, keys: WorkspaceKeys, body: SubscriptionInput, chosen: str | None = None
) -> tuple[SubscriptionMade, int]:
    """Make a subscription; its signing secret is shown in this answer alone.

    Raises SubscriptionExists, SubscriptionNameTaken, TooManySubscriptions, BadFilter and BadTarget.
    """
    await queries.raise_version(tx)  # first of all: changes of what routes messages come one after the other
    if await queries.count(tx) >= MOST:
        raise TooManySubscriptions(f"A workspace has at most {MOST:,} subscriptions.")
    subscription_id = chosen or encode(PREFIX, new_uuid())
    kind, columns = _columns(body)
    secret = new_secret() if _signs(body) else None
    sealed = Sealed([Signing(secret)] if secret else [], _headers(body))
    made = {
        **columns,
        "id": subscription_id,
        "revision": 1,
        "sealed": seal(keys, subscription_id, sealed),
        "created_at": tx.now,
        "created_by": tx.actor.id,
        "updated_at": tx.now,
        "updated_by": tx.actor.id,
    }
    if not await queries.insert_subscription(tx, made):
        if await queries.by_id(tx, subscription_id) is not None:
            raise SubscriptionExists("There is a subscription with this id.")
        raise SubscriptionNameTaken(f"Another subscription is called {body.name}.")
    await _settle_in(tx, subscription_id, kind, body)
    audit.record(tx, BusEvent.SUBSCRIPTION_CREATED, subscription_id, _told(body), risk=audit.Risk.MEDIUM)
    shown_as, revision = await get(tx, keys, subscription_id)
    return SubscriptionMade(**shown_as.model_dump(by_alias=False), signing_secret=secret), revision


async def replace(
    tx: WriteTx, keys: WorkspaceKeys, subscription_id: str, body: SubscriptionInput, revision: int | None
) -> tuple[Subscription, int]:
    """Make a subscription what is asked for; what it signs with stays.

    Raises UnknownSubscription, SubscriptionStale, SubscriptionNameTaken, BadTarget and BadFilter.
    """
    await queries.raise_version(tx)
    before = await found(tx, subscription_id, lock=True)
    if revision is not None and revision != before.revision:
        raise SubscriptionStale(f"The subscription is at revision {before.revision} by now; read it again.")
    if await queries.name_taken(tx, body.name, subscription_id):
        raise SubscriptionNameTaken(f"Another subscription is called {body.name}.")
    kind, columns = _columns(body)
    if (kind == "inbound") != (before.kind == "inbound"):
        raise BadTarget.at("direction", "stays what it is: make another subscription")
    sealed = _resealed(keys, before, body)
    changed = {**columns, "sealed": sealed, "revision": before.revision + 1}
    await queries.set_subscription(tx, subscription_id, {**changed, "updated_at": tx.now, "updated_by": tx.actor.id})
    await _settle_in(tx, subscription_id, kind, body)
    audit.record(tx, BusEvent.SUBSCRIPTION_UPDATED, subscription_id, _told(body), risk=audit.Risk.MEDIUM)
    return await get(tx, keys, subscription_id)


async def delete(tx: WriteTx, subscription_id: str) -> Deleted:
    """Delete a subscription with everything that was on its way to it. Raises UnknownSubscription."""
    await queries.raise_version(tx)
    row = await found(tx, subscription_id, lock=True)
    await deliveries.forget_subscription(tx, subscription_id)
    await queries.delete_subscription(tx, subscription_id)
    await secrets.refer(tx, None, Purpose(KIND, subscription_id))
    data = {"name": row.name, "kind": row.kind}
    audit.record(tx, BusEvent.SUBSCRIPTION_DELETED, subscription_id, data, risk=audit.Risk.MEDIUM)
    return Deleted(deleted=True)


async def rotate_secret(tx: WriteTx, keys: WorkspaceKeys, subscription_id: str, grace_minutes: int) -> SecretRotated:
    """Make a new signing secret; the one before stays good for so many minutes.

    Raises UnknownSubscription, and BadTarget for one that signs nothing, or with a secret that is kept elsewhere.
    """
    row = await found(tx, subscription_id, lock=True)
    sealed = opened(keys, row.id, row.sealed)
    if not sealed.signing:
        raise BadTarget("This subscription has no signing secret of its own.")
    secret, until = new_secret(), tx.now + grace_minutes * 60 * NANOS
    kept = [Signing(each, until) for each in sealed.valid(tx.now)[:1]]
    sealed = Sealed([Signing(secret), *kept], sealed.headers)
    await queries.set_subscription(tx, row.id, {"sealed": seal(keys, row.id, sealed), "updated_at": tx.now})
    data = {"name": row.name, "previousValidUntil": iso_millis(until), "secretRotated": True}
    audit.record(tx, BusEvent.SUBSCRIPTION_UPDATED, row.id, data, risk=audit.Risk.HIGH)
    return SecretRotated(secret=secret, created_at=iso_millis(tx.now), previous_valid_until=iso_millis(until))


async def found(tx: ReadTx, subscription_id: str, *, lock: bool = False) -> Row:
    """Return a subscription's row. Raises UnknownSubscription."""
    row = await queries.by_id(tx, subscription_id, lock=lock)
    if row is None:
        raise UnknownSubscription("This workspace has no subscription with this id.")
    return row


def rules_of(row: Row) -> DeliveryRules:
    """Return how hard a subscription's deliveries are tried."""
    return DeliveryRules.model_validate(row.delivery)


def _columns(body: SubscriptionInput) -> tuple[str, dict[str, Any]]:
    """Return the kind of a subscription and what is stored of it. Raises BadFilter."""
    stored: Any = body.filter if isinstance(body.filter, str) else None
    if isinstance(body.filter, list):
        stored = [rule.model_dump() for rule in body.filter]
    if stored is not None:
        wants_of(stored)
    part = body.target or body.inbound
    assert part is not None, "the schema asks for one of them"
    kind = "inbound" if body.target is None else body.target.kind
    shown_part = part.model_dump(mode="json", exclude={"headers"})
    return kind, {
        "name": body.name,
        "direction": body.direction,
        "topic_pattern": body.topic_pattern,
        "filter": stored,
        "kind": kind,
        "target": {**shown_part, "headers": sorted(_headers(body))} if body.target else shown_part,
        "delivery": body.delivery.model_dump(mode="json"),
        "dead_letter": body.dead_letter.model_dump(mode="json"),
        "status": body.status,
    }


async def _settle_in(tx: WriteTx, subscription_id: str, kind: str, body: SubscriptionInput) -> None:
    """Store what goes with a subscription: its target's standing, and the secrets that it refers to."""
    named = body.target.secret_id if body.target else body.inbound.signing_secret_id if body.inbound else None
    try:
        await secrets.refer(tx, f"{{{{secrets.{named}}}}}" if named else None, Purpose(KIND, subscription_id))
    except (SecretNotFound, BadReference):
        path = "target.secretId" if body.target else "inbound.signingSecretId"
        raise BadTarget.at(path, "is no secret of this workspace") from None
    if kind == "inbound":
        return
    rules = body.delivery
    lease = rules.lease_seconds if kind == "queue" else int(rules.timeout_seconds) + 15
    room = room_of(rules, active=body.status == "active")
    await deliveries.put_target(tx, subscription_id, kind=kind, room=room, lease_seconds=lease)


def _signs(body: SubscriptionInput) -> bool:
    """Whether a subscription has a signing secret of its own."""
    if body.inbound is not None:
        return body.inbound.signing_secret_id is None
    return body.target is not None and body.target.kind == "webhook" and body.target.secret_id is None


def _headers(body: SubscriptionInput) -> dict[str, str]:
    return dict(body.target.headers) if body.target else {}


def _resealed(keys: WorkspaceKeys, before: Row, body: SubscriptionInput) -> bytes:
    sealed = opened(keys, before.id, before.sealed)
    signing = sealed.signing if _signs(body) else []
    if _signs(body) and not signing:
        raise BadTarget("Signing with a new secret needs a new subscription, whose answer shows it.")
    return seal(keys, before.id, Sealed(signing, _headers(body)))


def _told(body: SubscriptionInput) -> dict[str, Any]:
    """Return what the record says of a subscription."""
    kind = "inbound" if body.target is None else body.target.kind
    data = {"name": body.name, "kind": kind, "topicPattern": body.topic_pattern, "status": body.status}
    return {name: value for name, value in data.items() if value is not None}


async def _shown(tx: ReadTx, keys: WorkspaceKeys, rows: list[Row]) -> list[Subscription]:
    ids = [row.id for row in rows]
    targets, open_ = await deliveries.targets(tx, ids), await deliveries.open_of(tx, ids)
    return [shown(tx.workspace_id, keys, row, targets.get(row.id), open_.get(row.id, 0)) for row in rows]
