"""Whom we ask, what they said, whose logs we cosign, and how it looks from outside."""

import uuid
from enum import StrEnum
from typing import NamedTuple

from provenance.ledger.log.schemas import Head
from provenance.proof.notes import Signature, VerifierKey


class State(StrEnum):
    """How it stands between a log and one of its witnesses."""

    WAITING = "waiting"
    COSIGNED = "cosigned"
    BEHIND = "behind"
    AWAY = "away"
    REFUSED = "refused"
    DISAGREES = "disagrees"


class Witness(NamedTuple):
    """Somebody we ask to cosign: ``url`` is the submission prefix."""

    id: uuid.UUID
    name: str
    url: str
    verifier_key: str


class Answer(NamedTuple):
    """What a witness last said of a log; ``size`` leaves are under the last head it cosigned."""

    epoch: int
    size: int
    cosigned_at: int | None
    state: State
    error: str | None
    failures: int
    retry_at: int


UNASKED = Answer(0, 0, None, State.WAITING, None, 0, 0)


class Asked(NamedTuple):
    """A witness with what it said before."""

    witness: Witness
    answer: Answer


class Round(NamedTuple):
    """One head, and the witnesses that are asked to cosign it."""

    head: Head
    asked: list[Asked]


class Outcome(NamedTuple):
    """What one witness said in a round: its new state, the size it knows, and its signatures if it gave any.

    ``contradiction`` is set when its words and our log can't both be right: what the incident says.
    """

    asked: Asked
    state: State
    size: int
    error: str | None = None
    signatures: tuple[Signature, ...] = ()
    contradiction: str | None = None


class Witnessed(NamedTuple):
    """A log that we cosign: who may sign it, and the last head that we cosigned."""

    origin: str
    verifier_keys: list[str]
    size: int
    root: bytes
    note: str | None
    cosigned_at: int

    @property
    def keys(self) -> list[VerifierKey]:
        """The keys whose signatures count."""
        return [VerifierKey.parse(each) for each in self.verifier_keys]


class Verdict(NamedTuple):
    """The answer to a log that asks for a cosignature: an HTTP status and a text."""

    status: int
    text: str
    content_type: str = "text/plain; charset=utf-8"
