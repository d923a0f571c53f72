"""Erasures: what is asked for, what a job knows of itself, and how it looks from outside."""

import uuid
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from provenance.core.clock import iso_millis
from provenance.ledger.interactions.filters import Filters


class Kind(StrEnum):
    """Why content goes."""

    ERASURE = "erasure"
    RETENTION = "retention"


class Status(StrEnum):
    """How far an erasure is."""

    ERASING = "erasing"
    HELD = "held"
    CLEANING = "cleaning"
    FINISHED = "finished"


class Job(NamedTuple):
    """An erasure as its row in the table has it."""

    workspace_id: uuid.UUID
    id: uuid.UUID
    kind: str
    status: str
    selector: str
    selector_hash: bytes | None
    selector_sealed: bytes | None
    reason: str
    requested_by: str
    requested_at: int
    upto: int
    expected: int | None
    erased: int
    cursor_moment: int
    cursor_number: int
    shown: str
    erased_at: int | None
    finished_at: int | None
    certificate: str | None
    continues: uuid.UUID | None
    reapplied: bool


class Row(NamedTuple):
    """A row whose content is about to go: what its traces elsewhere are found by."""

    number: int
    leaf_hash: bytes
    resource_type_id: uuid.UUID
    action_id: uuid.UUID
    content: str


class Taken(NamedTuple):
    """Rows of one erasure as they are written down outside the database.

    ``first`` to ``last``, and six bytes of each row's leaf hash, joined: a number names another row once a log was
    reopened, and that one is not to be erased.
    """

    first: int
    last: int
    leaves: bytes


LEAF_BYTES = 6


def taken(rows: Sequence[tuple[int, bytes]]) -> list[Taken]:
    """Return rows, given as number and leaf hash in order, as ranges."""
    found: list[Taken] = []
    for number, leaf in rows:
        if found and found[-1].last + 1 == number:
            found[-1] = Taken(found[-1].first, number, found[-1].leaves + leaf[:LEAF_BYTES])
        else:
            found.append(Taken(number, number, leaf[:LEAF_BYTES]))
    return found


class Camel(BaseModel):
    """A body or an answer of these routes."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class StrictFilters(Filters):
    """The filters of a list; a name that is none of them is refused, for it would leave too much in."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="forbid")


def _plain(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold the character NUL")
    return text


Reason = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_plain)]
Identifier = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(_plain)]
FilterBody = Annotated[
    dict[str, Any], Field(description="Filters as GET /api/interactions takes them, such as userId or where.")
]


class ErasureCreate(Camel):
    """What is to be erased: exactly one of userId, resourceId and filter; with preview it is only counted."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    user_id: Identifier | None = None
    resource_id: Identifier | None = None
    filter: FilterBody | None = None
    reason: Reason
    preview: bool = False


class Preview(Camel):
    """What an erasure would take: rows with content, rows under a legal hold; ``capped``: there are more."""

    rows: int
    held: int
    capped: bool


class Selector(Camel):
    """What an erasure selects by; the value itself is told by its keyed hash alone."""

    kind: str
    hash: str | None


class Erasure(Camel):
    """An erasure: how far it is, and where its certificate is once it is finished."""

    erasure_id: str
    kind: Kind
    status: Status
    selector: Selector
    reason: str
    requested_by: str
    requested_at: str
    up_to: int
    expected: int | None
    erased: int
    erased_at: str | None
    finished_at: str | None
    certificate: str | None
    continues: str | None
    reapplied: bool


def certificate_path(erasure_id: uuid.UUID) -> str:
    """Return where an erasure's certificate is."""
    return f"/api/erasures/{erasure_id}/certificate"


def shown(job: Job) -> Erasure:
    """Return an erasure as it reads on the wire."""
    return Erasure(
        erasure_id=str(job.id),
        kind=Kind(job.kind),
        status=Status(job.status),
        selector=Selector(kind=job.selector, hash=None if job.selector_hash is None else job.selector_hash.hex()),
        reason=job.reason,
        requested_by=job.requested_by,
        requested_at=iso_millis(job.requested_at),
        up_to=job.upto,
        expected=job.expected,
        erased=job.erased,
        erased_at=None if job.erased_at is None else iso_millis(job.erased_at),
        finished_at=None if job.finished_at is None else iso_millis(job.finished_at),
        certificate=None if job.certificate is None else certificate_path(job.id),
        continues=None if job.continues is None else str(job.continues),
        reapplied=job.reapplied,
    )
