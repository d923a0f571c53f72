"""Completeness answers (spec/proof.md section 5): every entry of a log that names a resource, a user or a unit of work.

An answer is a JSON document with all there is to check: the bucket of the completeness map in which the key stands,
or would, its path to the map's signed root, and the log's checkpoint over the same leaves. That a key is absent is
shown by a bucket without it. The reader brings the keys he trusts: the log's own, and the one named like the map
(`completeness_map` has the format of all that is hashed). Hashes, keys and the index key are in lower-case hex.

The index key stands in the document for a resource and a user. Whoever has it can test guesses of ids against the
keys of all envelopes of that workspace: pass an answer on only to whom you would tell this.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal, TypeVar

import msgspec

from provenance.proof.bad_json import BadJson
from provenance.proof.canonical import admit, canonical
from provenance.proof.checkpoints import Checkpoint, open_checkpoint
from provenance.proof.completeness_map import (
    BUCKET_ENTRIES,
    KEY_BYTES,
    MAX_DEPTH,
    NO_HEAD,
    VALUE_BYTES,
    Entry,
    Kind,
    MapHead,
    bit,
    bucket_hash,
    extended,
    index_key_commitment,
    kind_of,
    map_key,
    open_map_head,
    place_of,
    root_from,
)
from provenance.proof.leaf import index_key_hash
from provenance.proof.notes import Note, UnverifiedNote, VerifierKey
from provenance.proof.strict import HASH_BYTES, Malformed

Subject = Literal["key", "bucket", "path", "map", "checkpoint", "indices"]

_Hash = Annotated[str, msgspec.Meta(pattern=rf"\A[0-9a-f]{{{HASH_BYTES * 2}}}\Z")]
_Value = Annotated[str, msgspec.Meta(pattern=rf"\A[0-9a-f]{{{VALUE_BYTES * 2}}}\Z")]
_Count = Annotated[int, msgspec.Meta(ge=0)]
_Text = TypeVar("_Text", MapHead, Checkpoint)


class MalformedAnswer(Malformed):
    """A text that is no completeness answer."""


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Kind
    key: _Value
    count: _Count
    head: _Hash

    def read(self) -> Entry:
        return Entry(map_key(self.kind, bytes.fromhex(self.key)), self.count, bytes.fromhex(self.head))


class _Document(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The members of a document. An unknown one is refused: a reader would take it for proven."""

    kind: Kind
    id: str
    index_key: _Hash | None
    key: _Value
    count: _Count
    indices: list[_Count] | None
    bucket: Annotated[list[_Entry], msgspec.Meta(max_length=BUCKET_ENTRIES)]
    path: Annotated[list[_Hash], msgspec.Meta(max_length=MAX_DEPTH)]
    note: str
    checkpoint: str


@dataclass(frozen=True)
class Finding:
    """The outcome of one check, with a sentence for a person."""

    subject: Subject
    passed: bool
    sentence: str


@dataclass(frozen=True)
class Findings:
    """What an answer proves: one finding on each subject, in the order of `Subject`.

    `indices` are the leaves that name the id, None where the answer leaves them out; `head` is the chain over
    them, for `indices_fit`. Trust all of it only if `proven`.
    """

    findings: tuple[Finding, ...]
    kind: Kind
    id: str
    count: int
    indices: tuple[int, ...] | None
    head: bytes
    checkpoint: Checkpoint | None

    @property
    def proven(self) -> bool:
        """Whether every check has passed."""
        return all(finding.passed for finding in self.findings)

    @property
    def summary(self) -> str:
        """The outcome in one line."""
        failed = [finding.sentence for finding in self.findings if not finding.passed]
        if failed or self.checkpoint is None:
            return f"not proven: {' '.join(failed)}"
        return f"complete: {self.count} of the log's first {self.checkpoint.size} entries"

    def indices_fit(self, indices: Sequence[int]) -> bool:
        """Whether these are the leaves that the answer counts, each once and in order: for an answer without them."""
        return len(indices) == self.count and extended(NO_HEAD, indices) == self.head


def write_completeness(
    kind: Kind,
    identifier: str,
    index_key: bytes | None,
    key: bytes,
    bucket: Sequence[Entry],
    indices: Sequence[int] | None,
    path: Sequence[bytes],
    note: Note,
    checkpoint: Note,
) -> bytes:
    """The document, in canonical JSON.

    Args: what is asked for, and the id as the client writes it; the index key (32 bytes), None for a unit of work;
    the map's key of 17 bytes; the bucket's entries, sorted; the indices or None to leave them out; the path; the
    map's note and the log's checkpoint of the same size.
    """
    count = sum(entry.count for entry in bucket if entry.key == key)
    return canonical(
        {
            "kind": kind,
            "id": identifier,
            "indexKey": None if index_key is None else index_key.hex(),
            "key": key[1:].hex(),
            "count": count,
            "indices": None if indices is None else list(indices),
            "bucket": [_shown(entry) for entry in bucket],
            "path": [each.hex() for each in path],
            "note": str(note),
            "checkpoint": str(checkpoint),
        }
    )


def verify(document: bytes, keys: Sequence[VerifierKey]) -> Findings:
    """Check everything in a document.

    Args: the document; the verifier keys that are trusted, of which one bears the log's origin as its name and
    one the origin with `/map`. What does not fit is told in the findings. Raises `MalformedAnswer` only for what
    is no such document: not strict JSON, a member missing, unknown or of another form.
    """
    read = _read(document)
    answer = _Answer(read, keys)
    return Findings(
        findings=(
            _finding("key", "The key is that of the id.", answer.check_key),
            _finding("bucket", "The bucket is sorted and holds only keys of its own places.", answer.check_bucket),
            _finding("path", "The path leads from the bucket to the root of the map.", answer.check_path),
            _finding("map", "The map is signed by a trusted key of its own.", answer.check_map),
            _finding("checkpoint", "The log's checkpoint is signed and of the same leaves.", answer.check_checkpoint),
            _finding("indices", answer.told(), answer.check_indices),
        ),
        kind=read.kind,
        id=read.id,
        count=read.count,
        indices=None if read.indices is None else tuple(read.indices),
        head=answer.entry.head if answer.entry else NO_HEAD,
        checkpoint=answer.checkpoint,
    )


class _DoesNotFit(ValueError):
    """A check that failed; the message is the finding's sentence."""


class _Answer:
    """A document and what has been read out of it."""

    def __init__(self, read: _Document, keys: Sequence[VerifierKey]) -> None:
        self._read = read
        self._keys = keys
        self._key = map_key(read.kind, bytes.fromhex(read.key))
        self._bucket = [entry.read() for entry in read.bucket]
        self.entry = next((entry for entry in self._bucket if entry.key == self._key), None)
        self._head = _parsed(read.note, MapHead.parse)
        self.checkpoint = _parsed(read.checkpoint, Checkpoint.parse)

    def told(self) -> str:
        if self.entry is None:
            return "No entry of the log names the id."
        if self._read.indices is None:
            return f"{self._read.count} entries of the log name the id; which ones is left out."
        return f"{self._read.count} entries of the log name the id, and these are all."

    def check_key(self) -> None:
        read = self._read
        if read.kind == "uow":
            if read.index_key is not None or read.id.replace("-", "") != read.key or not _is_uuid(read.id):
                raise _DoesNotFit("The key is not that of the unit of work.")
            return
        if read.index_key is None:
            raise _DoesNotFit("The index key is missing: nothing says that the key is that of the id.")
        secret = bytes.fromhex(read.index_key)
        if index_key_hash(secret, read.kind.encode(), read.id) != read.key:
            raise _DoesNotFit("The key is not that of the id.")
        if self._head is None or index_key_commitment(secret) != self._head.commitment:
            raise _DoesNotFit("The index key is not the one that the map's note fixes.")

    def check_bucket(self) -> None:
        place, depth = place_of(self._key), len(self._read.path)
        if any(one.key >= other.key for one, other in pairwise(self._bucket)):
            raise _DoesNotFit("The bucket is not sorted, or holds a key twice.")
        if any(entry.count == 0 for entry in self._bucket):
            raise _DoesNotFit("The bucket holds a key that nothing names.")
        for entry in self._bucket:
            other = place_of(entry.key)
            if any(bit(other, at) != bit(place, at) for at in range(depth)):
                raise _DoesNotFit("The bucket holds a key of another place.")

    def check_path(self) -> None:
        if self._head is None:
            raise _DoesNotFit("The path cannot be checked without the map's note.")
        packed = b"".join([entry.packed() for entry in self._bucket])
        path = [bytes.fromhex(each) for each in self._read.path]
        if root_from(bucket_hash(len(path), packed), place_of(self._key), path) != self._head.map_root:
            raise _DoesNotFit("The path leads to another root than the map's.")

    def check_map(self) -> None:
        open_map_head(Note.parse(self._read.note), self._keys)

    def check_checkpoint(self) -> None:
        checkpoint = open_checkpoint(Note.parse(self._read.checkpoint), self._keys)
        covered = None if self._head is None else (self._head.origin, self._head.size, self._head.log_root)
        if covered != (checkpoint.origin, checkpoint.size, checkpoint.root):
            raise _DoesNotFit("The checkpoint is not of the leaves that the map covers.")

    def check_indices(self) -> None:
        count, indices = self._read.count, self._read.indices
        if count != (self.entry.count if self.entry else 0):
            raise _DoesNotFit("The count is not the one in the bucket.")
        if indices is None:
            return
        if len(indices) != count or any(one >= other for one, other in pairwise(indices)):
            raise _DoesNotFit("The indices are not as many as counted, or not in order.")
        if self._head is None or any(index >= self._head.size for index in indices[-1:]):
            raise _DoesNotFit("An index is beyond the leaves that the map covers.")
        if self.entry is not None and extended(NO_HEAD, indices) != self.entry.head:
            raise _DoesNotFit("The indices are not those that the map commits to.")


def _finding(subject: Subject, good: str, check: Callable[[], None]) -> Finding:
    try:
        check()
    except (_DoesNotFit, Malformed, UnverifiedNote) as error:
        return Finding(subject, False, str(error))
    return Finding(subject, True, good)


def _read(document: bytes) -> _Document:
    try:
        return msgspec.json.decode(admit(document), type=_Document)
    except BadJson as error:
        raise MalformedAnswer(f"The answer is not strict JSON: {error}") from None
    except msgspec.ValidationError as error:
        raise MalformedAnswer(f"The answer has another form: {error}.") from None


def _parsed(note: str, parse: Callable[[str], _Text]) -> _Text | None:
    try:
        return parse(Note.parse(note).text)
    except Malformed:
        return None


def _is_uuid(text: str) -> bool:
    return [len(part) for part in text.split("-")] == [8, 4, 4, 4, 12] and text == text.lower()


def _shown(entry: Entry) -> dict[str, object]:
    assert len(entry.key) == KEY_BYTES
    return {"kind": kind_of(entry.key), "key": entry.key[1:].hex(), "count": entry.count, "head": entry.head.hex()}
