"""What an export is asked for, what it is made of, and the manifest at its end."""

from typing import Any, Literal, NamedTuple

import msgspec

from provenance.ledger.log.schemas import Head
from provenance.proof.checkpoints import Checkpoint
from provenance.proof.notes import Note, Signer

FormatName = Literal["ndjson", "csv", "ocsf", "prov-json", "prov-n", "in-toto", "cloudevents"]
Proofs = Literal["none", "reference", "inline"]


class ExportQuery(NamedTuple):
    """What an export is asked for besides the filters; ``offset`` counts bytes."""

    format: FormatName
    proofs: Proofs | None = None
    limit: int | None = None
    cursor: str | None = None
    offset: int = 0

    @property
    def proven(self) -> Proofs:
        """How the records are proven."""
        return self.proofs or ("inline" if self.format == "in-toto" else "reference")


class Exported(NamedTuple):
    """One record on its way out.

    ``row`` is its JSON as lists show it to this caller, ``leaf_hash`` and ``proof`` (the JSON proof) are there as far
    as they were asked for; ``risk`` and ``domain`` are None in a masked row.
    """

    number: int
    row: bytes
    leaf_hash: bytes | None
    proof: bytes | None
    risk: str | None
    domain: str | None


class Frame(NamedTuple):
    """What all records of an export share. ``asked`` are the filters as they were sent, ``started_at`` nanoseconds."""

    format: FormatName
    proofs: Proofs
    workspace: str
    head: Head
    asked: dict[str, list[str]]
    by_date: bool
    whole_view: bool
    started_at: int
    signer: Signer

    @property
    def note(self) -> Note:
        """The signed head; signatures that witnesses add later are left out, or the same export would change."""
        note = Note.parse(self.head.note)
        return Note(note.text, note.signatures[:1])

    @property
    def origin(self) -> str:
        """The origin of the log."""
        return Checkpoint.parse(self.note.text).origin


class LogPart(msgspec.Struct, frozen=True, rename="camel"):
    """The signed head that an export is pinned to."""

    origin: str
    tree_size: int
    checkpoint: str
    key: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What stands at the end of an export: what was asked for, against which head, and what was given.

    ``sha256`` is that of the first ``bytes`` bytes of the stream, all that stand before the manifest; both are None
    in a document that holds its manifest inside. ``platformRows`` are ``whole`` or ``masked``.
    """

    version: int = 1
    format: str
    proofs: str
    workspace: str
    log: LogPart
    started_at: str
    filter: dict[str, Any]
    order: str
    platform_rows: str
    count: int
    first_number: int | None
    last_number: int | None
    complete: bool
    next_cursor: str | None
    bytes: int | None
    sha256: str | None
