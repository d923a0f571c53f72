"""What a format is to the stream: bytes before the records, for each record, and after them."""

from typing import Any, Protocol

import msgspec

from provenance.ledger.export.schemas import Exported, Manifest

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


class Writer(Protocol):
    """Writes one export. What it makes of the same records is always the same bytes."""

    def opening(self) -> bytes:
        """Return what stands before the first record."""
        ...

    def record(self, record: Exported) -> bytes:
        """Return a record as it is written; nothing where a document is written at its end."""
        ...

    def closing(self, manifest: Manifest) -> bytes:
        """Return the manifest, and what ends the whole."""
        ...


def proof_of(record: Exported, row: dict[str, Any]) -> dict[str, Any]:
    """Return the proof of a record as members of an object: place and leaf hash, and the JSON proof if there is one."""
    found: dict[str, Any] = dict(row["proof"])
    if record.leaf_hash is not None:
        found["leafHash"] = record.leaf_hash.hex()
    if record.proof is not None:
        found["jsonProof"] = msgspec.Raw(record.proof)
    return found
