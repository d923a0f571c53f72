"""The inbox and the preferences on the wire, and what is put into an inbox."""

import uuid
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from provenance.core.cursors import DEFAULT_LIMIT, MAX_LENGTH, MAX_LIMIT
from provenance.notifications.schemas import QuietHours, Wire, Zone

MOST_PEOPLE = 1_000
"""How many people one event is told to at most."""
KEPT_DAYS = 90
"""After so many days an entry is forgotten, read or not."""
URGENT = frozenset({"high", "critical"})
"""Risks that quiet hours don't hold up: a run waits, and its time runs out."""

DigestOfMine = Literal["off", "daily", "weekly"]


class InboxEvent(StrEnum):
    """What can happen to how somebody is told."""

    PREFERENCES_UPDATED = "notifications.preferences_updated"


class News(NamedTuple):
    """An event as it goes into inboxes: its row's number, id, unit of work and time, and what it is about."""

    number: int
    id: uuid.UUID
    event: str
    risk: str | None
    resource_id: str | None
    title: str | None
    uow_id: uuid.UUID
    recorded_at: int


class Entry(Wire):
    """One notification. ``seq`` is the number of the event that it tells of, ``notificationId`` the event's id."""

    notification_id: str
    seq: int
    event_type: str
    risk: str | None
    object_kind: str
    object_id: str | None
    title: str | None
    uow_id: str
    at: str
    read_at: str | None


class Inbox(Wire):
    """A page of an inbox, newest first; ``unread`` counts all of it."""

    items: list[Entry]
    next_cursor: str | None
    unread: int


class InboxAsked(Wire):
    """The query of a page of the inbox."""

    unread: Annotated[bool, Field(description="Only what is not read yet.")] = False
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="Items a page, 50 by default.")
    cursor: str | None = Field(None, max_length=MAX_LENGTH, description="nextCursor of the page before.")


class ReadAsked(Wire):
    """What is read now: everything up to ``upTo``, a ``seq`` that was seen; left out, everything there is."""

    up_to: Annotated[int | None, Field(ge=0, le=2**53 - 1)] = None


class Unread(Wire):
    """How much of an inbox is not read yet."""

    unread: int


class Preferences(Wire):
    """How somebody wants to be told in this workspace, whole: what is left out is as for who never said.

    Quiet hours hold up mails; approvals of high and critical risk are mailed at once all the same.
    """

    approval_mail: Annotated[
        bool, Field(description="A mail for each approval that is asked of me; the inbox has it in any case.")
    ] = True
    quiet_hours: QuietHours | None = None
    digest: Annotated[DigestOfMine, Field(description="A mail with what is still unread in my inbox.")] = "off"
    digest_hour: Annotated[int, Field(ge=0, le=23, description="Of the day in `timezone`.")] = 8
    timezone: Zone = "UTC"


class Told(NamedTuple):
    """Preferences of somebody as they are stored, or as for who never said."""

    person_id: uuid.UUID
    approval_mail: bool = True
    quiet_hours: dict[str, Any] | None = None
    digest: DigestOfMine = "off"
    digest_hour: int = 8
    timezone: str = "UTC"


class DigestClaim(NamedTuple):
    """A person's digest in a worker's hand until its lease runs out; everything up to ``told`` was told before."""

    workspace_id: uuid.UUID
    person_id: uuid.UUID
    told: int
    lease: uuid.UUID
