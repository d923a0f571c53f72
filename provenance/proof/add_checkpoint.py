"""What a log sends to a witness and what it gets back (c2sp.org/tlog-witness, add-checkpoint).

The request is the size that the witness cosigned last, a consistency proof from there, and the new checkpoint; the
answer is signature lines that go under that checkpoint.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from provenance.proof.checkpoints import Checkpoint
from provenance.proof.cosignatures import verify_cosignatures
from provenance.proof.notes import Note, Signature, UnverifiedNote, VerifierKey
from provenance.proof.strict import Malformed, read_decimal, read_hash, read_lines, read_text, write_base64

MAX_PROOF_LINES: Final = 63
SIZE_TYPE: Final = "text/x.tlog.size"
"""The content type of an answer that says which size the witness cosigned last."""

_OLD: Final = "old "


class MalformedRequest(Malformed):
    """A body that asks a witness for nothing it can read."""


@dataclass(frozen=True)
class AddCheckpoint:
    """A request for a cosignature: the old size, the hashes of the proof from there, and the signed checkpoint."""

    old_size: int
    proof: tuple[bytes, ...]
    note: Note

    @classmethod
    def parse(cls, body: str | bytes) -> "AddCheckpoint":
        """Read a request. Raises `Malformed`: the body, its note or its checkpoint is not what it should be."""
        head, blank, note = read_text(body, "The request", MalformedRequest).partition("\n\n")
        first, *lines = head.split("\n")
        if not blank or not first.startswith(_OLD):
            raise MalformedRequest("A request is the old size, the proof, a blank line and a checkpoint.")
        if len(lines) > MAX_PROOF_LINES:
            raise MalformedRequest(f"A consistency proof has at most {MAX_PROOF_LINES} lines.")
        proof = tuple(read_hash(line, "A hash of the proof", MalformedRequest) for line in lines)
        request = cls(read_decimal(first[len(_OLD) :], "The old size", MalformedRequest), proof, Note.parse(note))
        _ = request.checkpoint
        return request

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint in the note, unverified. Raises `MalformedCheckpoint`."""
        return Checkpoint.parse(self.note.text)

    def __str__(self) -> str:
        lines = "".join(f"{write_base64(each)}\n" for each in self.proof)
        return f"{_OLD}{self.old_size}\n{lines}\n{self.note}"


def read_cosignatures(body: str | bytes, note: Note, keys: Sequence[VerifierKey]) -> tuple[Signature, ...]:
    """The signature lines of an answer that are by a known witness, verified against the checkpoint.

    Lines of unknown keys are passed over. Raises `Malformed` for an answer that is none, and `UnverifiedNote` when
    a known key's signature does not fit, or none of the keys has signed.
    """
    lines = read_lines(read_text(body, "The answer", MalformedRequest), "The answer", MalformedRequest)
    found = tuple(each for each in map(Signature.parse, lines) if any(each.is_by(key) for key in keys))
    if not verify_cosignatures(Note(note.text, found), keys):
        raise UnverifiedNote("No known witness has signed the checkpoint.")
    return found


def read_size(body: str | bytes) -> int:
    """The size in an answer of the type `SIZE_TYPE`. Raises `Malformed`."""
    text = read_text(body, "The answer", MalformedRequest)
    [line, *more] = read_lines(text, "The answer", MalformedRequest)
    if more:
        raise MalformedRequest("A size is one line.")
    return read_decimal(line, "The size", MalformedRequest)
