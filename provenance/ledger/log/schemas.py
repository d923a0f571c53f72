"""What the log knows of itself: state, heads, and how it looks from outside."""

import uuid
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

Public = Literal["off", "checkpoints", "all"]


class LogState(NamedTuple):
    """The state row of a log: ``size`` leaves are under the last signed head, whose root is ``root``."""

    workspace_id: uuid.UUID
    name: str
    origin: str | None
    epoch: int
    key_generation: int
    size: int
    root: bytes
    edge: bytes
    signed_at: int | None
    kept_minute: int
    halted: str | None


class Head(NamedTuple):
    """A signed head: its log, its size, its root and the note as text."""

    workspace_id: uuid.UUID
    epoch: int
    size: int
    root: bytes
    note: str
    signed_at: int


class _Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class WitnessStatus(_Camel):
    """How it stands between the log and one of its witnesses: ``lastSize`` leaves are under the head it signed last.

    ``state`` is waiting, cosigned, behind, away, refused or disagrees; ``error`` says why in a sentence.
    """

    name: str
    url: str
    last_size: int
    last_at: str | None
    state: str
    error: str | None


class LogStatus(_Camel):
    """How far the log is: rows recorded, rows under a signed head, and what stands in the way."""

    origin: str | None
    epoch: int
    size: int
    integrated_size: int
    lag: int
    checkpoint_at: str | None
    verifier_key: str | None
    public_log: Public
    halted: str | None
    last_self_audit: str | None
    self_audited_size: int | None
    incidents: int
    cosigned_size: int | None
    witnesses: list[WitnessStatus]


class LogSettings(_Camel):
    """How much of the log outsiders may read: nothing, its signed heads, or all of it (envelopes, no content)."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    public_log: Public


class Consistency(_Camel):
    """The proof that the log of ``from`` leaves is a prefix of the one of ``to``; hashes in lower-case hex."""

    from_size: int
    to_size: int
    path: list[str]
    checkpoint: str | None


class LogKey(_Camel):
    """One signing key of the log: heads beyond ``fromSize`` carry its signature."""

    origin: str
    verifier_key: str
    from_size: int
    successor_note: str | None
    created_at: str


class LogKeys(_Camel):
    """Every signing key the log has had, oldest first; each is named by the one before."""

    keys: list[LogKey]
