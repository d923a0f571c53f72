"""Cosignatures (c2sp.org/tlog-cosignature, cosignature/v1): witnesses state when they saw a checkpoint.

A witness signs the text of the checkpoint together with a time, and only if it extends all that it saw of
this log before. Enough independent witnesses under a checkpoint rule out that others were shown another log.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from provenance.proof.checkpoints import Checkpoint
from provenance.proof.notes import COSIGNATURE_V1, Note, Signature, Signer, UnverifiedNote, VerifierKey
from provenance.proof.strict import MAX_COUNT

_TIME_BYTES: Final = 8


@dataclass(frozen=True)
class Cosignature:
    """That this witness saw the checkpoint as the largest of its log at `time`, in seconds since 1970."""

    witness: VerifierKey
    time: int


def cosign(note: Note, witness: Signer, time: int) -> Signature:
    """The witness's signature line for a checkpoint; add it with `note.signed([…])`.

    Whether the checkpoint may be cosigned at all (signed by its log, consistent with the last one seen) is
    for the caller to have checked. Raises `MalformedCheckpoint` for another text, and ValueError for a time
    outside 0 … 2^63−1 or a signer of another kind.
    """
    Checkpoint.parse(note.text)
    if witness.kind != COSIGNATURE_V1:
        raise ValueError("a checkpoint is cosigned by a key of the kind COSIGNATURE_V1")
    if not 0 <= time <= MAX_COUNT:
        raise ValueError(f"{time} is no time of a cosignature")
    made = witness.private.sign(_message(note, time))
    return Signature(witness.name, witness.verifier.key_id, time.to_bytes(_TIME_BYTES) + made)


def verify_cosignatures(note: Note, keys: Sequence[VerifierKey]) -> tuple[Cosignature, ...]:
    """The cosignatures of known witnesses under a checkpoint, in the order of its lines; perhaps none.

    Unknown signers and `keys` of another kind are passed over; how many witnesses are enough, and how old
    their times may be, the caller decides. A witness that signed at several times counts once, with the
    latest. Raises `UnverifiedNote` if a known witness's signature does not fit, `MalformedCheckpoint`.
    """
    Checkpoint.parse(note.text)
    found: dict[VerifierKey, int] = {}
    for signature in note.signatures:
        for key in keys:
            if key.kind == COSIGNATURE_V1 and signature.is_by(key):
                found[key] = max(_time(note, signature, key), found.get(key, 0))
    return tuple(Cosignature(key, time) for key, time in found.items())


def _time(note: Note, signature: Signature, key: VerifierKey) -> int:
    """The time that the witness signed with the checkpoint. Raises `UnverifiedNote`."""
    time = int.from_bytes(signature.value[:_TIME_BYTES])
    rest = signature.value[_TIME_BYTES:]
    if time > MAX_COUNT or not key.fits(_message(note, time), rest):
        raise UnverifiedNote(f"The cosignature of {key.name!r} does not fit the checkpoint.")
    return time


def _message(note: Note, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{note.text}".encode()
