"""What is asked for, and evidence as it reads on the wire."""

import uuid
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from provenance.ledger.interactions.filters import Filters


class EvidenceEvent(StrEnum):
    """What can happen to evidence."""

    CREATED = "evidence.created"


class EvidenceCreate(BaseModel):
    """Which records the evidence is about: the filters of a list, all of which must hold."""

    model_config = ConfigDict(extra="forbid")

    filters: Filters = Field(description="At least one.")
    completeness: bool = Field(
        default=True,
        description="Prove that these are all, or that there is none, where the filter is one resourceId, userId or "
        "uowId alone. For the first two the pack discloses the workspace's index key.",
    )


class Evidence(BaseModel):
    """Evidence that can be downloaded: what was asked, what was found, and the head of the log that proves it.

    Without records, and so without numbers, it proves that the log names the one id asked for nowhere.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    id: str
    filter: dict[str, Any]
    records: int
    first_number: int | None
    last_number: int | None
    complete: bool
    origin: str
    tree_size: int
    checkpoint: str
    created_at: str
    created_by: str


class Cited(NamedTuple):
    """A row of the table: see there."""

    id: uuid.UUID
    asked: str
    numbers: list[int]
    records: int
    epoch: int
    size: int
    checkpoint: str
    signed_at: int
    newest_size: int
    newest_checkpoint: str
    completeness: str | None
    created_at: int
    created_by: str
