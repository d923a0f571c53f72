"""What one subscriber wants of a batch of rows. Subscribers who want the same share one answer (`Selector.key`)."""

import uuid
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from provenance.core.actor import Actor
from provenance.core.clock import iso_millis
from provenance.core.db import Database
from provenance.core.ids import decode
from provenance.ledger.catalogue.cache import Catalogue, Catalogues
from provenance.ledger.interactions.filters import Criteria, ResourceMatch
from provenance.realtime import queries
from provenance.realtime.channels import Channel
from provenance.realtime.events import Event
from provenance.realtime.filtering import Filter
from provenance.realtime.schemas import Frame, Message, as_events, joined, parted

_SPREAD = 2_654_435_761
"""Knuth's multiplier: neighbouring numbers land far apart, so that a sample is even."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows in order, and the number up to which every row was looked at; ``at_end`` when there were no more."""

    events: Sequence[Event]
    catalogue: Catalogue
    upto: int
    at_end: bool


class Selected:
    """The frames for one kind of subscriber, written out once for all of them."""

    def __init__(self, frames: list[Frame]) -> None:
        """Take the frames."""
        self.frames = frames

    @cached_property
    def messages(self) -> list[Message]:
        """The frames as WebSocket messages, made text here once and not for each client."""
        return [Message(joined(part).decode(), part[-1].seq or 0) for part in parted(self.frames)]

    @cached_property
    def events(self) -> list[Message]:
        """The frames as server-sent events."""
        return [Message(as_events(part), part[-1].seq or 0) for part in parted(self.frames)]


@dataclass(frozen=True)
class Selector:
    """A channel as one subscriber hears it."""

    channel: Channel
    actor: Actor
    filter: Filter | None = field(default=None, compare=False)
    filter_text: str = ""
    sample: float = 1.0

    @cached_property
    def key(self) -> Hashable:
        """What makes two subscribers hear the same."""
        whose = (self.actor.id, self.actor.role, self.actor.groups) if self.channel.personal else None
        return self.channel.name, self.filter_text, self.sample, self.whole, whose

    @property
    def whole(self) -> bool:
        """Whether platform rows show their content."""
        return self.actor.reads_platform_rows

    @property
    def platform_only(self) -> bool:
        """Whether only rows that the platform made can be wanted."""
        return self.channel.kind.platform_only

    def criteria(self, catalogue: Catalogue) -> Criteria | None:
        """Return what the rows wanted have in common, as the list's indexes know it; None where nothing narrows.

        Times are left out: by them the list would go in another order.
        """
        if self.filter is not None:
            meant = self.filter.criteria(catalogue)
            narrow = Criteria(
                **{
                    name: getattr(meant, name)
                    for name in Criteria.__dataclass_fields__
                    if name not in ("start", "end", "where")
                }
            )
            return narrow if narrow.narrows else None
        if self.channel.name.startswith("uow:"):
            return Criteria(uow_id=self.channel.subject)
        if self.channel.name.startswith("runs:"):
            return Criteria(resources=(ResourceMatch(self.channel.subject),), platform=True)
        return Criteria(platform=True) if self.platform_only else None

    async def select(self, db: Database, catalogues: Catalogues, batch: Batch) -> Selected:
        """Return the frames of a batch that this subscriber is to get."""
        events = batch.events
        if self.sample < 1:
            events = [event for event in events if _drawn(event.row.number, self.sample)]
        if self.filter is not None:
            rows = [event.row for event in events]
            passing = await self.filter.passing(db, self.actor, catalogues, batch.catalogue, rows)
            events = [event for event in events if event.row.number in passing]
        return Selected([frame for event in events if (frame := self._frame(event)) is not None])

    def _frame(self, event: Event) -> Frame | None:
        summary = self.channel.summary(event, self.actor)
        if summary is None:
            return None
        row = event.row
        text = b'{"type":"%b","channel":"%b","seq":%d,"at":"%b","workspaceId":"%b","data":%b}' % (
            summary.type.encode(),
            self.channel.name.encode(),
            row.number,
            iso_millis(row.recorded_at).encode(),
            event.workspace.encode(),
            summary.data,
        )
        return Frame(row.number, summary.type, text)


def _drawn(number: int, sample: float) -> bool:
    """Tell whether a row is in a sample: always the same answer, so that a sample resumes as it was."""
    return (number * _SPREAD & 0xFFFFFFFF) < sample * 2**32


async def name_workflows(db: Database, workspace_id: uuid.UUID, events: Sequence[Event]) -> None:
    """Find the workflow of each run that these events are about."""
    of_runs = [(event, decode("run", event.row.resource_id or "")) for event in events if event.subject == "run"]
    asked = {run_id for _, run_id in of_runs if run_id is not None}
    if not asked:
        return
    async with db.housekeeping(workspace_id) as tx:
        found = await queries.workflows_of(tx, list(asked))
    for event, run_id in of_runs:
        event.workflow = found.get(run_id) if run_id is not None else None
