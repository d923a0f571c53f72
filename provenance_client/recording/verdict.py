"""How the server answers a batch, read no further than needed."""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec

from provenance_client.errors import ProvenanceError, ServerError

T = TypeVar("T")


class Totals(msgspec.Struct):
    """The sums of a batch: when nothing failed they say it all, and the items need not be read."""

    created: int = 0
    duplicates: int = 0


class Problem(msgspec.Struct):
    """Why one item failed."""

    status: int | None = None
    code: str | None = None
    detail: str | None = None

    @property
    def is_passing(self) -> bool:
        """Whether the same item may succeed later: the server is overloaded or broken, not the item."""
        return self.status is not None and (self.status == 429 or self.status >= 500)

    def error(self) -> ProvenanceError:
        """The same as an exception."""
        return ProvenanceError(self.detail or "refused", code=self.code, status=self.status)


class Result(msgspec.Struct):
    """What became of one item."""

    index: int
    status: Literal["created", "duplicate", "failed"]
    error: Problem | None = None


class Results(msgspec.Struct):
    """What became of each item."""

    items: list[Result]


# An item the answer does not mention is tried again: its dedupe key makes that harmless.
UNANSWERED = Result(-1, "failed", Problem(500, "unanswered", "the answer names no result for this item"))
REFUSED = Problem(detail="refused without a reason")
_totals = msgspec.json.Decoder(Totals)
_results = msgspec.json.Decoder(Results)


def read_totals(answer: bytes) -> Totals:
    """The sums. Raises ServerError (`unexpected_answer`)."""
    return _read(_totals, answer)


def read_results(answer: bytes) -> dict[int, Result]:
    """The items' results by index. Raises ServerError (`unexpected_answer`)."""
    return {result.index: result for result in _read(_results, answer).items}


def _read(decoder: msgspec.json.Decoder[T], answer: bytes) -> T:
    try:
        return decoder.decode(answer)
    except msgspec.DecodeError as error:
        raise ServerError(f"the batch was answered with something else: {error}", code="unexpected_answer") from error
