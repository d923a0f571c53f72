"""That the records are all there are: the completeness map's answer for the one id that a filter names.

The answer is fixed when evidence is asked for, for the map moves on. It lists no indices: the pack's own records
are counted against the map's chain.
"""

from typing import Any, NamedTuple

import msgspec

from provenance.core.db import ReadTx
from provenance.core.keyring import WorkspaceKeys
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


async def complete(tx: ReadTx, keys: WorkspaceKeys, whose: Subject, found: list[int]) -> Complete:
    """Ask the map for all rows that name an id; ``found`` are those that the filter found.

    The map counts erased rows as well, which no filter finds any more, and perhaps newer ones. Raises MapBehind
    while it does not reach all that were found, or counts others, and MapDiffers.
    """
    answer = await _answer(tx, keys, whose, found[-1])
    numbers = found if answer["indices"] is None else [index + 1 for index in answer["indices"]]
    size = Checkpoint.parse(Note.parse(answer["checkpoint"]).text).size
    known = (await completeness.status(tx)).verifier_key
    trusted = [VerifierKey.parse(key.verifier_key) for key in (await log.keys(tx)).keys]
    text = canonical({**answer, "indices": None})
    findings = verify(text, trusted if known is None else [*trusted, VerifierKey.parse(known)])
    fits = findings.indices_fit([number - 1 for number in numbers])
    if known is None or not findings.proven or not fits or numbers[-1] > size:
        raise MapBehind()  # the map moved on between two questions, or rows came in since the filter was asked
    return Complete(numbers, size, answer["checkpoint"], text, known)


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
