"""NDJSON: each row as lists show it, on a line of its own, with what proves it; the manifest on the last line."""

from provenance.ledger.export.formats.contract import encode
from provenance.ledger.export.schemas import Exported, Frame, Manifest


class Lines:
    """Writes lines of JSON."""

    def __init__(self, frame: Frame) -> None:
        """Take the frame, of which the lines say nothing before the manifest does."""

    def opening(self) -> bytes:
        """Return nothing: the first line is a record."""
        return b""

    def record(self, record: Exported) -> bytes:
        """Return the row with ``leafHash`` and ``jsonProof`` as its last members."""
        parts = [record.row[:-1]]
        if record.leaf_hash is not None:
            parts.append(b',"leafHash":"%b"' % record.leaf_hash.hex().encode())
        if record.proof is not None:
            parts.append(b',"jsonProof":' + record.proof)
        return b"".join([*parts, b"}\n"])

    def closing(self, manifest: Manifest) -> bytes:
        """Return ``{"manifest": …}``."""
        return encode({"manifest": manifest}) + b"\n"
