"""That the records are all there are: the completeness map's answer for the one id that a filter names.

The answer is fixed when evidence is asked for, for the map moves on. It lists no indices: the pack's own records
are counted against the map's chain. Where nothing was found, the answer proves that there is nothing.
"""

from typing import Any, NamedTuple

import msgspec

from provenance.core.db import ReadTx
from provenance.core.keyring import WorkspaceKeys
from provenance.evidence.errors import TooManyRecords
from provenance.evidence.selecting import MOST_RECORDS
from provenance.ledger.completeness import queries as map_queries
from provenance.ledger.completeness import service as completeness
from provenance.ledger.completeness.errors import MapBehind, TooManyIndices
from provenance.ledger.completeness.schemas import Subject
from provenance.ledger.log import service as log
from provenance.proof.canonical import canonical
from provenance.proof.checkpoints import Checkpoint
from provenance.proof.completeness import verify
from provenance.proof.notes import Note, VerifierKey


class Complete(NamedTuple):
    """The map's answer: the rows it counts, and the log's head that it is about."""

    numbers: list[int]
    size: int
    checkpoint: str
    answer: bytes
    key: str

    @property
    def pinned(self) -> str:
        """What is kept with the evidence."""
        return canonical({"answer": self.answer.decode(), "key": self.key}).decode()


async def complete(tx: ReadTx, keys: WorkspaceKeys, whose: Subject, found: list[int], covers: int) -> Complete:
    """Ask the map for all rows that name an id; ``found`` are those that the filter found, none perhaps.

    The map counts erased rows as well, which no filter finds any more, and perhaps newer ones. Raises MapBehind
    while it does not reach the number ``covers``, or counts others, MapDiffers, and TooManyRecords.
    """
    answer = await _answer(tx, keys, whose, covers)
    size = Checkpoint.parse(Note.parse(answer["checkpoint"]).text).size
    numbers = await _numbers(tx, whose, answer, size)
    known = (await completeness.status(tx)).verifier_key
    trusted = [VerifierKey.parse(key.verifier_key) for key in (await log.keys(tx)).keys]
    text = canonical({**answer, "indices": None})
    findings = verify(text, trusted if known is None else [*trusted, VerifierKey.parse(known)])
    fits = findings.indices_fit([number - 1 for number in numbers])
    if known is None or not findings.proven or not fits or not set(found) <= set(numbers):
        raise MapBehind()  # the map moved on between two questions, or rows came in since the filter was asked
    return Complete(numbers, size, answer["checkpoint"], text, known)


async def _numbers(tx: ReadTx, whose: Subject, answer: dict[str, Any], size: int) -> list[int]:
    """The rows that the answer counts; it lists them itself unless they are many."""
    if answer["indices"] is not None:
        return [index + 1 for index in answer["indices"]]
    if answer["count"] > MOST_RECORDS:
        raise TooManyRecords.at("filters", f"more than {MOST_RECORDS:,} records name the id: narrow them by time")
    return await map_queries.numbers(tx, whose, bytes.fromhex(answer["key"]), size, MOST_RECORDS)


async def _answer(tx: ReadTx, keys: WorkspaceKeys, whose: Subject, covers: int) -> dict[str, Any]:
    try:
        text = await completeness.answer(tx, keys, whose, covers=covers)
    except TooManyIndices:
        text = await completeness.answer(tx, keys, whose, covers=covers, listed=False)
    found: dict[str, Any] = msgspec.json.decode(text)
    return found


def pinned_of(text: str) -> tuple[bytes, str]:
    """Return the answer and the map's verifier key out of what is kept."""
    found = msgspec.json.decode(text)
    return found["answer"].encode(), found["key"]
