"""Checkpoints (c2sp.org/tlog-checkpoint): the signed head of a log, as a note of three lines or more."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from provenance.proof.merkle import EMPTY_ROOT
from provenance.proof.notes import Note, Signer, UnverifiedNote, VerifierKey, sign, verify
from provenance.proof.strict import (
    HASH_BYTES,
    MAX_COUNT,
    Malformed,
    read_decimal,
    read_hash,
    read_lines,
    read_text,
    write_base64,
)

_LINES: Final = 3


class MalformedCheckpoint(Malformed):
    """A text that is no checkpoint, or values no checkpoint can have."""


@dataclass(frozen=True)
class Checkpoint:
    """The head of a log: its origin, its number of leaves and the RFC 6962 root (32 bytes) over them.

    `extensions` are further lines without newlines; we write none and keep those of others. Raises
    `MalformedCheckpoint` for an empty line, a line break or control character inside a line, a size outside
    0 … 2^63−1, a root of another length, and a root of no leaves that is not SHA-256 of nothing.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for line in (self.origin, *self.extensions):
            read_text(line, "A line of the checkpoint", MalformedCheckpoint)
            if not line or "\n" in line:
                raise MalformedCheckpoint("A checkpoint has no empty lines, and none that holds another.")
        if not 0 <= self.size <= MAX_COUNT:
            raise MalformedCheckpoint(f"A log cannot have {self.size} leaves.")
        if len(self.root) != HASH_BYTES:
            raise MalformedCheckpoint(f"A root has {HASH_BYTES} bytes, not {len(self.root)}.")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise MalformedCheckpoint("This is not the root of a log without leaves.")

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Read the text of a note; `str(checkpoint)` gives it back. Raises `MalformedCheckpoint`."""
        lines = read_lines(text, "The checkpoint", MalformedCheckpoint)
        if len(lines) < _LINES:
            raise MalformedCheckpoint("A checkpoint has a line each for the origin, the size and the root.")
        size = read_decimal(lines[1], "The size of the log", MalformedCheckpoint)
        root = read_hash(lines[2], "The root of the log", MalformedCheckpoint)
        return cls(lines[0], size, root, tuple(lines[_LINES:]))

    def __str__(self) -> str:
        lines = (self.origin, str(self.size), write_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


def sign_checkpoint(checkpoint: Checkpoint, *signers: Signer) -> Note:
    """The checkpoint as a signed note. The log's own signer is named like the origin."""
    return sign(str(checkpoint), *signers)


def open_checkpoint(note: Note, keys: Sequence[VerifierKey], *, origin: str | None = None) -> Checkpoint:
    """The checkpoint in a note, once it is certain who signed it.

    Without `origin` only a key that is named like the checkpoint's origin can vouch for it, so one log's
    key cannot speak for another log. With `origin` the caller says that `keys`, whatever their names, belong
    to this log and no other. Raises `MalformedCheckpoint` and `UnverifiedNote`.
    """
    checkpoint = Checkpoint.parse(note.text)
    if origin is None:
        keys = [key for key in keys if key.name == checkpoint.origin]
    elif origin != checkpoint.origin:
        raise UnverifiedNote(f"The checkpoint is of the log {checkpoint.origin!r}, not of {origin!r}.")
    verify(note, keys)
    return checkpoint
