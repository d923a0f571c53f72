"""Proof files (c2sp.org/tlog-proof@v1): one text that proves, offline, that a leaf stands in a log.

The file holds no entry. Who checks it has the entry from elsewhere and brings its leaf hash along.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from provenance.proof.checkpoints import Checkpoint, open_checkpoint
from provenance.proof.merkle import verify_inclusion
from provenance.proof.notes import Note, VerifierKey
from provenance.proof.strict import (
    HASH_BYTES,
    MAX_COUNT,
    Malformed,
    read_base64,
    read_decimal,
    read_hash,
    read_text,
    write_base64,
)

HEADER: Final = "c2sp.org/tlog-proof@v1"
MAX_PATH: Final = 63
"""Hashes in the longest audit path: a log has fewer than 2^63 leaves."""


class MalformedProof(Malformed):
    """A text that is no proof of ours, or values no proof can have."""


@dataclass(frozen=True)
class ProofFile:
    """The place of a leaf, its audit path from the leaf's sibling up, and the log's checkpoint as signed.

    `extra` are bytes of the maker's choice that nothing vouches for. Raises `MalformedProof` for an index
    outside 0 … 2^63−1, more than 63 hashes, a hash of another length than 32 bytes, and empty extra data.
    """

    index: int
    path: tuple[bytes, ...]
    note: Note
    extra: bytes | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.index <= MAX_COUNT:
            raise MalformedProof(f"No leaf stands at {self.index}.")
        if len(self.path) > MAX_PATH or any(len(each) != HASH_BYTES for each in self.path):
            raise MalformedProof(f"A path has at most {MAX_PATH} hashes of {HASH_BYTES} bytes each.")
        if self.extra == b"":
            raise MalformedProof("Extra data is left out when it is empty.")

    @classmethod
    def parse(cls, data: str | bytes) -> "ProofFile":
        """Read a whole file; `str(proof)` gives the same text. Raises `MalformedProof` and `MalformedNote`."""
        head, _, checkpoint = read_text(data, "The proof", MalformedProof).partition("\n\n")
        lines = head.split("\n")
        if lines.pop(0) != HEADER:
            raise MalformedProof(f"A proof begins with the line {HEADER}.")
        extra = None
        if lines and (encoded := lines[0].removeprefix("extra ")) != lines[0]:
            extra = read_base64(encoded, "The extra data", MalformedProof)
            del lines[0]
        if not lines or not lines[0].startswith("index "):
            raise MalformedProof("A proof has the line index <number> before its hashes.")
        index = read_decimal(lines[0].removeprefix("index "), "The index", MalformedProof)
        path = tuple(read_hash(line, "A line of the path", MalformedProof) for line in lines[1:])
        return cls(index, path, Note.parse(checkpoint), extra)

    def __str__(self) -> str:
        lines = [HEADER, f"index {self.index}", *map(write_base64, self.path), "", str(self.note)]
        if self.extra is not None:
            lines.insert(1, f"extra {write_base64(self.extra)}")
        return "\n".join(lines)

    def verify(self, leaf: bytes, keys: Sequence[VerifierKey], *, origin: str | None = None) -> Checkpoint:
        """Check that this leaf hash stands at `index` in a log that one of the keys vouches for.

        Returns the checkpoint that proves it. `keys` and `origin` mean what they mean to `open_checkpoint`;
        raises `MalformedCheckpoint`, `UnverifiedNote`, and `InvalidProof` for a path that leads elsewhere.
        """
        checkpoint = open_checkpoint(self.note, keys, origin=origin)
        verify_inclusion(leaf, self.index, checkpoint.size, self.path, checkpoint.root)
        return checkpoint
