"""The verbs of the inbox: put in, show, read; and how somebody wants to be told."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Row

from provenance.audit import service as audit
from provenance.core import cursors, ids
from provenance.core.actor import Actor
from provenance.core.clock import NANOS, iso_millis, nanos, utc
from provenance.core.db import Database, ReadTx, WriteTx
from provenance.core.keyring import WorkspaceKeys
from provenance.ledger.feed import Row as FeedRow
from provenance.notifications.inbox import queries
from provenance.notifications.inbox.errors import NotificationNotFound
from provenance.notifications.inbox.schemas import (
    KEPT_DAYS,
    MOST_PEOPLE,
    URGENT,
    DigestOfMine,
    Entry,
    Inbox,
    InboxAsked,
    InboxEvent,
    News,
    Preferences,
    Told,
    Unread,
)
from provenance.notifications.rules import quiet_until
from provenance.notifications.schemas import QuietHours

PREFIX = "evt"
_LIST = "notifications.inbox"
_AT_ONCE = 5_000


class _Below(msgspec.Struct):
    number: int


# Telling


def news_of(row: FeedRow, event: str, *, risk: str | None = None, title: str | None = None) -> News:
    """Return an event as it goes into inboxes; ``risk`` of what it is about, where that is another than the row's."""
    return News(row.number, row.id, event, risk or row.risk, row.resource_id, title, row.uow_id, row.recorded_at)


async def put(tx: WriteTx, news: News, named: Iterable[str]) -> list[uuid.UUID]:
    """Put an event into the inbox of everybody named, as ``kind:id``; return who that is."""
    people = await queries.members_meant(tx, named, MOST_PEOPLE)
    if people:
        await queries.put(tx, news, people)
    return people


async def preferred(tx: ReadTx, people: Sequence[uuid.UUID]) -> list[Told]:
    """Return how each of these people wants to be told."""
    known = await queries.told(tx, people)
    return [known.get(each) or Told(each) for each in people]


def mailed_at(told: Told, risk: str, now: int) -> int:
    """Return when somebody gets a mail about something of a risk: now, or when their quiet hours end."""
    if told.quiet_hours is None or risk in URGENT:
        return now
    return quiet_until(QuietHours.model_validate(told.quiet_hours), now)


async def settled(tx: WriteTx, resource_id: str, uow_id: uuid.UUID) -> None:
    """Take a thing for read by all: there is nothing left to do about it."""
    await queries.read_about(tx, resource_id, uow_id)


async def forget_unit(tx: WriteTx, uow_id: uuid.UUID) -> None:
    """Forget what was told of a run whose data is removed."""
    await queries.forget_unit(tx, uow_id)


async def forget_person(tx: WriteTx, user_id: str) -> None:
    """Forget the inbox and the preferences of a ``user_…`` who is no member any more."""
    person_id = ids.decode("user", user_id)
    if person_id is not None:
        await queries.forget_person(tx, person_id)


async def forget_old(db: Database) -> bool:
    """Forget entries that are older than `KEPT_DAYS`, some at a time; tell whether there may be more."""
    async with db.housekeeping() as tx:
        before = tx.now - KEPT_DAYS * 24 * 3600 * NANOS
        return await queries.forget_old(tx, before, _AT_ONCE) == _AT_ONCE


# Reading


async def page(tx: ReadTx, keys: WorkspaceKeys, asked: InboxAsked) -> Inbox:
    """Return a page of the actor's inbox, newest first. Raises BadCursor."""
    mine = _person(tx.actor)
    bound = cursors.binding(_LIST, str(mine), asked.unread)
    before = None if asked.cursor is None else cursors.read(keys, bound, asked.cursor, _Below).number
    unread = await queries.unread(tx, mine)  # first: what the page shows is then at least as read
    rows = await queries.page(tx, mine, before=before, limit=asked.limit + 1, unread=asked.unread)
    shown = rows[: asked.limit]
    following = cursors.write(keys, bound, {"number": shown[-1].number}) if len(rows) > asked.limit else None
    return Inbox(items=[entry(row) for row in shown], next_cursor=following, unread=unread)


async def read(tx: WriteTx, actor: Actor, notification_id: str) -> Entry:
    """Note that somebody read an entry of theirs. Raises NotificationNotFound."""
    mine, known = _person(actor), ids.decode(PREFIX, notification_id)
    row = None if known is None else await queries.one(tx, mine, known)
    if row is None:
        raise NotificationNotFound
    await queries.read_one(tx, mine, row.number)
    after = await queries.one(tx, mine, row.id)
    return entry(after or row)


async def read_all(tx: WriteTx, actor: Actor, up_to: int | None) -> Unread:
    """Note that somebody read everything, or everything up to a number."""
    await queries.read_all(tx, _person(actor), up_to)
    return Unread(unread=await queries.unread(tx, _person(actor)))


def entry(row: Row[Any]) -> Entry:
    """Return an entry as it is shown."""
    return Entry(
        notification_id=ids.encode(PREFIX, row.id),
        seq=row.number,
        event_type=row.event,
        risk=row.risk,
        object_kind=row.event.partition(".")[0],
        object_id=row.resource_id,
        title=row.title,
        uow_id=str(row.uow_id),
        at=iso_millis(row.recorded_at),
        read_at=None if row.read_at is None else iso_millis(row.read_at),
    )


def _person(actor: Actor) -> uuid.UUID:
    assert actor.person is not None, "the route lets people only pass"
    return actor.person


# Preferences


async def preferences(tx: ReadTx) -> Preferences:
    """Return how the actor wants to be told."""
    [told] = await preferred(tx, [_person(tx.actor)])
    return _shown(told)


async def prefer(tx: WriteTx, asked: Preferences) -> Preferences:
    """Keep how the actor wants to be told; records ``notifications.preferences_updated``."""
    mine = _person(tx.actor)
    quiet = None if asked.quiet_hours is None else asked.quiet_hours.model_dump(mode="json", by_alias=True)
    told = Told(mine, asked.approval_mail, quiet, asked.digest, asked.digest_hour, asked.timezone)
    await queries.put_told(tx, told, next_digest(told, tx.now), await queries.newest(tx, mine))
    data = asked.model_dump(mode="json", by_alias=True)
    audit.record(tx, InboxEvent.PREFERENCES_UPDATED, tx.actor.id, data, user_id=tx.actor.id)
    return _shown(told)


def next_digest(told: Told, now: int) -> int | None:
    """Return the first moment after ``now`` (nanoseconds) that somebody's digest is for; None when it is off.

    An hour that the clocks skip counts as the moment at which they do; one that comes twice counts once.
    """
    return None if told.digest == "off" else nanos(_struck(told.digest, told.digest_hour, told.timezone, utc(now)))


def _struck(frequency: DigestOfMine, hour: int, timezone: str, after: datetime) -> datetime:
    zone = ZoneInfo(timezone)
    day = after.astimezone(zone).date() - timedelta(days=1)
    while True:
        at = datetime(day.year, day.month, day.day, hour, tzinfo=zone)
        if utc(nanos(at)) > after and (frequency == "daily" or day.weekday() == 0):
            return at
        day += timedelta(days=1)


def _shown(told: Told) -> Preferences:
    return Preferences.model_validate({name: value for name, value in told._asdict().items() if name != "person_id"})
