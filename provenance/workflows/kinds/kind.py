"""What a kind of step declares: its configuration, what it may do outside, and how it is tried.

A kind is declared here, below the runs that carry it out, so that a definition is checked and its powers are read
from the graph without running anything. A new one is a subclass in the list ``KINDS``.
"""

from collections.abc import Iterator, Mapping
from enum import IntEnum, StrEnum
from typing import Any, ClassVar, Literal, Protocol

import msgspec

from provenance.workflows.problems import Problem

Config = Mapping[str, Any]
"""A step's ``config`` as it was written."""

READS: str = "x-provenance"
"""The keyword of a configuration's JSON Schema that tells how the texts below are read: see `Reading`."""


class Reading(StrEnum):
    """How texts of a configuration are read; without the keyword a text is a plain one, the same in every run."""

    MAPPING = "mapping"
    CONDITION = "condition"
    SCHEMA = "schema"


class Risk(IntEnum):
    """How much harm an effect can do (spec/automation.md, 6.2)."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def word(self) -> str:
        """The risk as it is spelled on the wire."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> "Risk":
        """Read a risk from the wire's word. Raises KeyError."""
        return cls[word.upper()]


Verb = Literal["read", "touch", "send", "start"]


class Power(msgspec.Struct, frozen=True, order=True):
    """Something a step may do outside of its run: read from, touch (change), send to, or start a target.

    ``target_kind`` is such as ``http``, ``connection``, ``datastore``, ``email``, ``workflow``; ``target`` names which
    one, ``*`` when a run decides.
    """

    verb: Verb
    target_kind: str
    target: str


class Retry(msgspec.Struct, frozen=True, rename="camel"):
    """How often a step is tried and how long it waits between, in seconds."""

    max_attempts: int = 1
    backoff: Literal["fixed", "exponential"] = "exponential"
    initial_seconds: float = 2.0
    max_seconds: float = 300.0
    jitter: bool = True
    retry_on: tuple[str, ...] = ("timeout", "rate_limited", "unavailable")


NO_RETRY = Retry()
RETRY = Retry(max_attempts=3)

OnUnknown = Literal["retry", "fail", "ask"]
"""What rules an effect that was begun and whose outcome is not known (spec/engine.md)."""


class StepKind(Protocol):
    """One kind of step. Subclass it, say what differs, and add it to `KINDS`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    config_schema: ClassVar[Mapping[str, Any]]
    """JSON Schema 2020-12 of ``config``, with `READS` where texts are more than plain ones."""
    inline: ClassVar[bool] = False
    """Pure or parking: may go on inside `serve`. Whatever touches the outside is not."""
    timeout_seconds: ClassVar[float] = 60.0
    retry: ClassVar[Retry] = NO_RETRY
    is_trigger: ClassVar[bool] = False
    is_gate: ClassVar[bool] = False

    def is_effect(self, config: Config) -> bool:
        """Tell whether carrying it out changes something outside of the run."""
        return False

    def risk(self, config: Config) -> Risk:
        """How much harm its effect can do; LOW for what only reads."""
        return Risk.LOW

    def powers(self, config: Config) -> tuple[Power, ...]:
        """What it may touch, send, read or start."""
        return ()

    def cases(self, config: Config) -> tuple[str, ...]:
        """The names its ``case:`` edges may have; empty for all but logic."""
        return ()

    def output_schema(self, config: Config) -> Mapping[str, Any] | bool | None:
        """The JSON Schema of its output for this configuration, which expressions are held to; None: not known."""
        return None

    def on_unknown(self, config: Config) -> OnUnknown:
        """What happens by default when the outcome of a begun effect is not known."""
        return "retry"

    def problems(self, config: Config, at: str) -> Iterator[Problem]:
        """What is wrong with a configuration that its schema allows; ``at`` is its path."""
        yield from ()
