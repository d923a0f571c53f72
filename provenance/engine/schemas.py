"""Plain values of the engine: rows as they are read and written, and one checkpoint of a run."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from provenance.ledger.service import Deed


class State(StrEnum):
    """What the engine does with a run; the status on the wire is derived (spec/automation.md, 5.2)."""

    QUEUED = "queued"
    RUNNING = "running"
    PARKED = "parked"
    ENDED = "ended"


class Status(StrEnum):
    """How a run stands, as it reads on the wire."""

    QUEUED = "queued"
    RUNNING = "running"
    APPROVAL = "approval"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


class StepStatus(StrEnum):
    """How a step stands, as it reads on the wire."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class WaitKind(StrEnum):
    """What a step waits for."""

    APPROVAL = "approval"
    TIMER = "timer"
    RETRY = "retry"
    CHILD = "child"
    EVENT = "event"


ENDED = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.TIMED_OUT})


class RunKey(NamedTuple):
    """Which run: its workspace and its id."""

    workspace_id: uuid.UUID
    run_id: uuid.UUID


class NewRun(NamedTuple):
    """The row of a run that begins, in the order in which the statement takes its columns."""

    workspace_id: uuid.UUID
    id: uuid.UUID
    workflow_id: uuid.UUID
    version: int
    environment: str
    slot: int | None
    max_concurrent: int | None
    priority: int
    lasts: float
    needs: list[str] | None
    start_key: str | None
    trigger_type: str
    triggered_by: str
    triggered_by_kind: str
    hop_count: int
    replay_of: uuid.UUID | None
    parent_id: uuid.UUID | None
    parent_token: str | None
    about: str
    input: str
    started_at: int


class Claimed(NamedTuple):
    """A run that this process owns from now on, as its row reads; ``begun``: steps of it may be stored.

    ``stored``: the rows of its steps and waits; None where they are to be asked for.
    """

    workspace_id: uuid.UUID
    id: uuid.UUID
    workflow_id: uuid.UUID
    version: int
    environment: str
    epoch: int
    seq: int
    signal: int
    takeovers: int
    left: float
    hop_count: int
    slot: int | None
    trigger_type: str
    parent_token: str | None
    about: str
    input: str
    started_at: int
    begun: bool
    stored: "tuple[list[StepRow], list[OpenWait]] | None"


class Outlook(NamedTuple):
    """What lies ahead: in how many seconds a timer is due (None: no timer), and whether runs wait for a slot."""

    seconds: float | None
    limited: bool


class Standing(NamedTuple):
    """Where the row of a run stands now."""

    epoch: int
    seq: int
    signal: int
    state: str


class StepRow(NamedTuple):
    """One attempt of one iteration of a step. ``input``, ``output``, ``error``, ``logs``, ``usage`` are JSON texts."""

    run_id: uuid.UUID
    step_key: str
    iteration: int
    attempt: int
    place: int
    kind: str
    status: str
    handled: bool
    choice: str | None
    input: str | None
    output: str | None
    error: str | None
    logs: str | None
    usage: str | None
    started_at: int | None
    ended_at: int | None


class WaitRow(NamedTuple):
    """A wait as it is opened: ``seconds`` until it is due, None for one that only somebody's act ends."""

    run_id: uuid.UUID
    step_key: str
    iteration: int
    kind: str
    seconds: float | None
    ref: str | None


class OpenWait(NamedTuple):
    """A wait as it stands: ``left`` seconds until it is due, ``outcome`` a JSON text once it is resolved."""

    run_id: uuid.UUID
    step_key: str
    iteration: int
    kind: str
    left: float | None
    ref: str | None
    resolved: bool
    outcome: str | None


Settle = Callable[["bool | BaseException"], None]
"""Called once, after the commit: whether the checkpoint was applied (False: fenced), or why it can't be known."""


def _ignore(_: "bool | BaseException") -> None:
    return


@dataclass(slots=True)
class Checkpoint:
    """What one run changes in one commit: its row behind the fence, its steps and waits, its ledger entries.

    Applied only when the run is still ``running`` in ``epoch`` with ``seq`` checkpoints before this one, and, where
    it parks, when nobody signalled it since ``signal`` was read. ``after`` is in how many seconds a queued or parked
    run is looked at again (None: when it is signalled).
    """

    key: RunKey
    epoch: int
    seq: int
    signal: int
    state: State
    status: Status
    new: NewRun | None = None
    after: float | None = None
    progress: bool = False
    output: str | None = None
    error: str | None = None
    ended_at: int | None = None
    steps: list[StepRow] = field(default_factory=list)
    opened: list[WaitRow] = field(default_factory=list)
    closed: list[tuple[str, int]] = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)
    resolves: tuple[str, str] | None = None
    settle: Settle = _ignore
