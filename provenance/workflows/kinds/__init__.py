"""The kinds of steps a definition may use; each is declared in this folder and carried out by the runs.

A feature that brings a kind (agents, skills, tools, messages) declares it here and adds it to `KINDS`.
"""

from collections.abc import Mapping
from typing import Final

from provenance.workflows.kinds.action import Action
from provenance.workflows.kinds.kind import (
    NO_RETRY,
    READS,
    RETRY,
    Config,
    OnUnknown,
    Power,
    Reading,
    Retry,
    Risk,
    StepKind,
)
from provenance.workflows.kinds.logic import Approval, Logic, Wait
from provenance.workflows.kinds.outside import Child, Data, Notify, Storage
from provenance.workflows.kinds.skill import Skill
from provenance.workflows.kinds.trigger import Trigger

__all__ = [
    "KINDS",
    "NO_RETRY",
    "READS",
    "RETRY",
    "Config",
    "Kinds",
    "OnUnknown",
    "Power",
    "Reading",
    "Retry",
    "Risk",
    "StepKind",
]

Kinds = Mapping[str, StepKind]
"""Kinds by name."""

KINDS: Final[Kinds] = {
    kind.name: kind
    for kind in (Trigger(), Logic(), Data(), Action(), Approval(), Notify(), Storage(), Wait(), Child(), Skill())
}
"""Every kind of this installation."""
