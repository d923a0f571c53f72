"""What a letter is about, and one in a worker's hand."""

import uuid
from enum import StrEnum
from typing import NamedTuple


class Occasion(StrEnum):
    """Why somebody gets a letter."""

    REQUESTED = "requested"
    OVERDUE = "overdue"
    ESCALATED = "escalated"
    CHANGED = "changed"


class Letter(NamedTuple):
    """A letter in a worker's hand until its lease runs out; ``number`` is of the row that it tells of."""

    workspace_id: uuid.UUID
    approval_id: uuid.UUID
    person_id: uuid.UUID
    number: int
    occasion: str
    failures: int
    created_at: int
    lease: uuid.UUID
