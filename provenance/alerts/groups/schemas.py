"""A group of a rule, as it is kept."""

import uuid
from dataclasses import dataclass, field
from typing import NamedTuple

from provenance.alerts.schemas import EVIDENCE
from provenance.alerts.windows import Standing
from provenance.core.ids import new_uuid

NO_GROUP = "null"
"""The value of a rule's only group, where it has no others."""


@dataclass(slots=True)
class Group:
    """A group of a rule as its row has it; ``evidence`` are numbers and ids of the last rows that matched."""

    alert_id: uuid.UUID
    value: str
    standing: Standing
    id: uuid.UUID = field(default_factory=new_uuid)
    number: int = 0
    platform: bool = False
    evidence: list[tuple[int, str]] = field(default_factory=list)
    silenced_until: int = 0
    acknowledged_by: str | None = None
    acknowledged_at: int | None = None
    stored: bool = False

    def cite(self, number: int, interaction_id: str) -> None:
        """Note that a row matched."""
        self.evidence = [*self.evidence, (number, interaction_id)][-EVIDENCE:]


class Standings(NamedTuple):
    """How many groups a rule has, and how many of them fire."""

    groups: int
    firing: int
