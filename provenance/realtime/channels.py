"""The channels by name: who may listen, which rows they carry, and what they say of them."""

from collections.abc import Callable
from dataclasses import dataclass

from provenance.approvals.policy import assigned_as
from provenance.core.actor import Actor, Role, Scope
from provenance.core.errors import NotAllowed
from provenance.core.ids import decode, parse_uuid
from provenance.realtime import summaries
from provenance.realtime.errors import UnknownChannel
from provenance.realtime.events import Event
from provenance.realtime.schemas import Summary
from provenance.realtime.summaries import Summarise

Carries = Callable[[Event, str], bool]
"""Whether a channel about one thing carries an event of its kind."""
Concerns = Callable[[Event, Actor], bool]
"""Whether an event is about who listens."""
MINE = "mine"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of channel: who may listen, what it says of a row, and what the part after its colon may be.

    ``summarise`` is None where rows are shown as interactions, ``carries`` where the kind stands alone. ``concerns``
    is there where a person can listen to what is theirs alone: by ``:mine``, or by the bare name where ``own``.
    """

    scope: Scope
    role: Role
    summarise: Summarise | None
    carries: Carries | None = None
    prefix: str | None = None
    bare: bool = False
    platform_only: bool = True
    concerns: Concerns | None = None
    own: bool = False

    def knows(self, subject: str) -> bool:
        """Tell whether a text may be what a channel of this kind is about."""
        if subject == MINE and self.concerns is not None and not self.own:
            return True
        if self.carries is None or not subject:
            return False
        return self.prefix is None or decode(self.prefix, subject) is not None


def _is_about(event: Event, subject: str) -> bool:
    return event.row.resource_id == subject


def _of_workflow(event: Event, subject: str) -> bool:
    return event.workflow is not None and decode("wf", subject) == event.workflow


def _of_subscription(event: Event, subject: str) -> bool:
    return subject in (event.data.get("subscriptionId"), event.row.resource_id)


def _in_unit(event: Event, subject: str) -> bool:
    return str(event.row.uow_id) == subject


def _is_asked_of(event: Event, actor: Actor) -> bool:
    """Tell whether somebody is asked by an approval, or was until this very change of it."""
    named = [each for member in ("assignees", "gone") for each in event.data.get(member) or ()]
    return not set(assigned_as(actor)).isdisjoint(named)


def _nobody(event: Event, actor: Actor) -> bool:
    return False


def _nothing(event: Event) -> Summary | None:
    return None


_READS = (Scope.INTERACTIONS_READ, Role.VIEWER)
KINDS = {
    "interactions": Kind(*_READS, None, bare=True, platform_only=False),
    "uow": Kind(*_READS, None, _in_unit, platform_only=False),
    "log": Kind(*_READS, _nothing, bare=True),
    "runs": Kind(Scope.RUNS_READ, Role.VIEWER, summaries.of_run, _is_about, "run", bare=True),
    "workflows": Kind(Scope.RUNS_READ, Role.VIEWER, summaries.of_run, _of_workflow, "wf"),
    "approvals": Kind(Scope.APPROVALS_READ, Role.VIEWER, summaries.of_approval, bare=True, concerns=_is_asked_of),
    "notifications": Kind(Scope.APPROVALS_READ, Role.VIEWER, _nothing, bare=True, concerns=_nobody, own=True),
    "bus": Kind(Scope.BUS_READ, Role.VIEWER, summaries.of_bus, _of_subscription, "sub", bare=True),
    "mcp": Kind(Scope.AGENTS_READ, Role.VIEWER, summaries.of_server, _is_about, "mcp", bare=True),
    "connections": Kind(Scope.CONNECTIONS_READ, Role.VIEWER, summaries.of_connection, bare=True),
    "audit": Kind(Scope.AUDIT_READ, Role.EDITOR, summaries.of_audit, bare=True),
}
"""Each kind of channel by the part of its name before the colon."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel: its name, its kind, and what it is about (None: everything of its kind)."""

    name: str
    kind: Kind
    subject: str | None

    @property
    def by_workflow(self) -> bool:
        """Whether the workflow of each run has to be known."""
        return self.kind.carries is _of_workflow

    @property
    def personal(self) -> bool:
        """Whether everybody hears something else."""
        return self.kind.own or (self.subject == MINE and self.kind.concerns is not None)

    def ensure(self, actor: Actor) -> None:
        """Let through who may listen. Raises NotAllowed."""
        if self.personal and actor.role is None:
            raise NotAllowed(f"The channel {self.name} is a person's own: a key has none.", code="people_only")
        if actor.may(self.kind.scope, self.kind.role):
            return
        if actor.role is not None:
            needed = self.kind.role.name.lower()
            raise NotAllowed(f"The channel {self.name} needs the role {needed}.", code="missing_role")
        raise NotAllowed(f"The channel {self.name} needs the scope {self.kind.scope.value}.", code="missing_scope")

    def summary(self, event: Event, actor: Actor) -> Summary | None:
        """Return what to say of an event to who listens; None when the channel does not carry it."""
        if self.personal:
            return self._mine(event, actor)
        if self.subject is not None and self.kind.carries is not None and not self.kind.carries(event, self.subject):
            return None
        if self.kind.summarise is None:
            return summaries.of_interaction(event, masked=event.row.platform and not actor.reads_platform_rows)
        return self.kind.summarise(event)

    def _mine(self, event: Event, actor: Actor) -> Summary | None:
        """Return what to say of an event to the one person it is about."""
        assert self.kind.concerns is not None, "no other kind is personal"
        told = self.kind.summarise(event) if self.kind.summarise is not None else None
        return told if told is not None and self.kind.concerns(event, actor) else None


def channel(name: str) -> Channel:
    """Read a channel's name, such as ``runs`` or ``runs:run_…``. Raises UnknownChannel."""
    head, colon, subject = name.partition(":")
    kind = KINDS.get(head)
    if kind is None or not (kind.knows(subject) if colon else kind.bare):
        raise UnknownChannel.at("channels", f"{name[:100]} is no channel; they are {', '.join(NAMES)}")
    if head == "uow":
        unit = parse_uuid(subject)
        if unit is None:
            raise UnknownChannel.at("channels", "uow: is followed by a UUID written with hyphens")
        return Channel(f"uow:{unit}", kind, str(unit))
    return Channel(name, kind, subject or None)


NAMES = tuple(
    name
    for head, kind in KINDS.items()
    for name in ([head] if kind.bare else [])
    + ([f"{head}:<id>"] if kind.carries else [])
    + ([f"{head}:{MINE}"] if kind.concerns and not kind.own else [])
)
"""The channels as the documentation lists them."""
