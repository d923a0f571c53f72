"""The proof of one record as a JSON document (spec/proof.md section 4), and what it proves.

The document holds all there is to check: envelope, path, checkpoint, and the content with its salt unless
that was erased. The reader brings only the keys that he trusts. Hashes and the salt are in lower-case hex.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from provenance.proof.bad_json import BadJson
from provenance.proof.canonical import MAX_DEPTH, admit, canonical, canonical_string
from provenance.proof.checkpoints import Checkpoint, open_checkpoint
from provenance.proof.leaf import SALT_BYTES, VERSION, Envelope, content_digest, join_members, leaf_hash
from provenance.proof.merkle import InvalidProof, verify_inclusion
from provenance.proof.notes import Note, UnverifiedNote, VerifierKey
from provenance.proof.proof_file import MAX_PATH, MalformedProof
from provenance.proof.strict import Malformed

Subject = Literal["envelope", "leaf", "checkpoint", "position", "content"]

_Hash = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_Salt = Annotated[str, msgspec.Meta(pattern=rf"\A[0-9a-f]{{{SALT_BYTES * 2}}}\Z")]
_Count = Annotated[int, msgspec.Meta(ge=0)]
_NULL = b"null"


class _Document(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The members of a document. An unknown one is refused: a reader would take it for proven."""

    envelope: str
    leaf_hash: _Hash
    index: _Count
    tree_size: _Count
    path: Annotated[list[_Hash], msgspec.Meta(max_length=MAX_PATH)]
    checkpoint: str
    content: msgspec.Raw
    content_canonical: str | None
    salt: _Salt | None


@dataclass(frozen=True)
class Finding:
    """The outcome of one check, with a sentence for a person."""

    subject: Subject
    passed: bool
    sentence: str


@dataclass(frozen=True)
class Findings:
    """What a document proves: one finding on each subject, in the order of `Subject`.

    `envelope` and `checkpoint` are what the document says, None where that could not be read; trust them only
    if `proven`. `erased`: the document has no content.
    """

    findings: tuple[Finding, ...]
    index: int
    erased: bool
    envelope: Envelope | None
    checkpoint: Checkpoint | None

    @property
    def proven(self) -> bool:
        """Whether every check has passed."""
        return all(finding.passed for finding in self.findings)

    @property
    def summary(self) -> str:
        """The outcome in one line."""
        failed = [finding.sentence for finding in self.findings if not finding.passed]
        if failed:
            return f"not proven: {' '.join(failed)}"
        return f"content {'erased' if self.erased else 'proven'}, position and commitment proven"


def write_json_proof(
    envelope: bytes, index: int, path: Sequence[bytes], note: Note, content: bytes | None, salt: bytes | None
) -> bytes:
    """The document for one record, in canonical JSON.

    Args: the canonical envelope; the place of its leaf; the audit path to the root of the checkpoint in
    `note`; the canonical content and its 16 byte salt, or None for both once erased.
    Raises `MalformedCheckpoint` for a note without one, and ValueError if only one of the last two is None.
    """
    if (content is None) != (salt is None):
        raise ValueError("content and salt are erased together")
    return join_members(
        [
            ("envelope", canonical_string(envelope.decode())),
            ("leafHash", canonical_string(leaf_hash(envelope).hex())),
            ("index", canonical(index)),
            ("treeSize", canonical(Checkpoint.parse(note.text).size)),
            ("path", canonical([each.hex() for each in path])),
            ("checkpoint", canonical_string(str(note))),
            ("content", _NULL if content is None else content),
            ("contentCanonical", _NULL if content is None else canonical_string(content.decode())),
            ("salt", _NULL if salt is None else canonical_string(salt.hex())),
        ]
    )


def verify_json_proof(document: bytes, keys: Sequence[VerifierKey], *, origin: str | None = None) -> Findings:
    """Check everything in a document. `keys` and `origin` mean what they mean to `open_checkpoint`.

    What does not fit is told in the findings. Raises `MalformedProof` only for what is no such document: not
    strict JSON, a member missing, unknown or of another form, or only a part of content and salt erased.
    """
    read = _read(document)
    erased = read.salt is None
    envelope, checkpoint = _envelope(read), _checkpoint(read)
    return Findings(
        findings=(
            _finding("envelope", "The envelope is canonical.", lambda: _check_envelope(read, envelope)),
            _finding("leaf", "The leaf hash is that of the envelope.", lambda: _check_leaf(read)),
            _finding(
                "checkpoint",
                "The checkpoint is signed by a trusted key of its log.",
                lambda: _check_checkpoint(read, keys, origin),
            ),
            _finding(
                "position",
                f"The record is leaf {read.index} of the checkpoint's {read.tree_size}.",
                lambda: _check_position(read, checkpoint),
            ),
            _finding(
                "content",
                "The content is erased." if erased else "The content is the one that was committed to.",
                lambda: _check_content(read, envelope),
            ),
        ),
        index=read.index,
        erased=erased,
        envelope=envelope,
        checkpoint=checkpoint,
    )


class _DoesNotFit(ValueError):
    """A check that failed; the message is the finding's sentence."""


def _finding(subject: Subject, good: str, check: Callable[[], object]) -> Finding:
    try:
        check()
    except (_DoesNotFit, Malformed, UnverifiedNote) as error:
        return Finding(subject, False, str(error))
    except InvalidProof as error:
        return Finding(subject, False, f"The path does not lead to the checkpoint: {error}.")
    return Finding(subject, True, good)


def _read(document: bytes) -> _Document:
    try:
        # The content alone may be nested as deep as content can be; it stands one level down.
        read = msgspec.json.decode(admit(document, max_depth=MAX_DEPTH + 1), type=_Document)
    except BadJson as error:
        raise MalformedProof(f"The proof is not strict JSON: {error}") from None
    except msgspec.ValidationError as error:
        raise MalformedProof(f"The proof has another form: {error}.") from None
    if len({bytes(read.content) == _NULL, read.content_canonical is None, read.salt is None}) != 1:
        raise MalformedProof("Content, contentCanonical and salt are erased together or not at all.")
    return read


def _envelope(read: _Document) -> Envelope | None:
    try:
        return msgspec.json.decode(read.envelope, type=Envelope)
    except msgspec.DecodeError:
        return None


def _checkpoint(read: _Document) -> Checkpoint | None:
    try:
        return Checkpoint.parse(Note.parse(read.checkpoint).text)
    except Malformed:
        return None


def _check_envelope(read: _Document, envelope: Envelope | None) -> None:
    if envelope is None or envelope.v != VERSION:
        raise _DoesNotFit("The envelope is not one of this version.")
    try:
        text = envelope.canonical()
    except BadJson:
        text = b""
    if text != read.envelope.encode():
        raise _DoesNotFit("The envelope is not in canonical form.")


def _check_leaf(read: _Document) -> None:
    if leaf_hash(read.envelope.encode()).hex() != read.leaf_hash:
        raise _DoesNotFit("The leaf hash is not that of the envelope.")


def _check_checkpoint(read: _Document, keys: Sequence[VerifierKey], origin: str | None) -> None:
    if open_checkpoint(Note.parse(read.checkpoint), keys, origin=origin).size != read.tree_size:
        raise _DoesNotFit("The checkpoint is of another tree size.")


def _check_position(read: _Document, checkpoint: Checkpoint | None) -> None:
    if checkpoint is None:
        raise _DoesNotFit("The position cannot be checked without a checkpoint.")
    path = [bytes.fromhex(each) for each in read.path]
    verify_inclusion(leaf_hash(read.envelope.encode()), read.index, checkpoint.size, path, checkpoint.root)


def _check_content(read: _Document, envelope: Envelope | None) -> None:
    if read.content_canonical is None or read.salt is None:
        return
    content = read.content_canonical.encode()
    if bytes(read.content) != content:
        raise _DoesNotFit("The content and its canonical text differ.")
    digest = content_digest(bytes.fromhex(read.salt), content).hex()
    if envelope is None or digest != envelope.content_digest:
        raise _DoesNotFit("The content is not the one that was committed to.")
