"""CSV (RFC 4180) that a spreadsheet can't be attacked with: no cell begins like a formula.

Columns never change their order or meaning; new ones will come at the end. JSON stands as compact text in its cell.
The manifest is the last row, and ``record`` in the first column tells it from the others.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from provenance.ledger.export.formats.contract import encode
from provenance.ledger.export.schemas import Exported, Frame, Manifest

_PLAIN = (
    "interactionNumber",
    "interactionId",
    "createdDate",
    "occurredAt",
    "recordedDate",
    "resourceTypeMnemonic",
    "resourceId",
    "actionMnemonic",
    "originMnemonic",
    "outcome",
    "userId",
    "recordedBy",
    "uowId",
    "spanId",
    "parentSpanId",
    "sequenceIndex",
    "corrects",
    "platform",
    "externalReference",
    "ip",
    "userAgent",
)
_JSON = ("interaction", "externalResponse", "onBehalfOf", "relatedResources", "changes", "links")
COLUMNS = ("record", *_PLAIN, *_JSON, "leafIndex", "leafHash", "jsonProof", "manifest")
"""The header."""

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
_QUOTED = re.compile(r'[",\r\n]')

_Row = msgspec.defstruct(  # only these members are decoded; JSON stays the text it is
    "_Row",
    [*[(name, Any, None) for name in _PLAIN], *[(name, msgspec.Raw, msgspec.Raw(b"null")) for name in _JSON]],
)
_decode = msgspec.json.Decoder(_Row).decode


def cell(value: Any) -> str:
    """Write one cell: nothing for null, an apostrophe before what a spreadsheet would compute, quotes where needed.

    The apostrophe stands before texts alone; a negative number stays a number.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if isinstance(value, str) and text.startswith(_DANGEROUS):
        text = "'" + text
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


def _line(cells: Sequence[Any]) -> bytes:
    return (",".join(map(cell, cells)) + "\r\n").encode()


class Table:
    """Writes rows of CSV under one header."""

    def __init__(self, frame: Frame) -> None:
        """Take the frame, of which the rows say nothing before the manifest does."""

    def opening(self) -> bytes:
        """Return the header."""
        return _line(COLUMNS)

    def record(self, record: Exported) -> bytes:
        """Return the row of a record."""
        row = _decode(record.row)
        json_cells = [_json(bytes(getattr(row, name))) for name in _JSON]
        leaf_hash = None if record.leaf_hash is None else record.leaf_hash.hex()
        proof = None if record.proof is None else record.proof.decode()
        plain = [getattr(row, name) for name in _PLAIN]
        return _line(["interaction", *plain, *json_cells, record.number - 1, leaf_hash, proof, None])

    def closing(self, manifest: Manifest) -> bytes:
        """Return the row of the manifest."""
        return _line(["manifest", *[None] * (len(COLUMNS) - 2), encode(manifest).decode()])


def _json(raw: bytes) -> str | None:
    return None if raw == b"null" else raw.decode()
