"""CloudEvents 1.0, the JSON batch format, one event on each line; the manifest is the last event.

``source`` names the workspace and the origin, so that source and id together are unique as the specification asks.
"""

from typing import Any
from urllib.parse import quote

from provenance.core.clock import utc
from provenance.ledger.export.formats.contract import decode, encode, proof_of
from provenance.ledger.export.schemas import Exported, Frame, Manifest

MANIFEST_TYPE = "provenance.export.manifest"


class Batch:
    """Writes a JSON array of structured events."""

    def __init__(self, frame: Frame) -> None:
        """Take the frame, for the workspace that events come from."""
        self._source = f"/workspaces/{frame.workspace}"

    def opening(self) -> bytes:
        """Return the array's bracket."""
        return b"[\n"

    def record(self, record: Exported) -> bytes:
        """Return one event and the comma that parts it from the next, which at least the manifest is."""
        return self._event(record) + b",\n"

    def closing(self, manifest: Manifest) -> bytes:
        """Return the manifest as an event, and the closing bracket."""
        event = {
            "specversion": "1.0",
            "id": f"manifest-{manifest.log.tree_size}-{manifest.started_at}",
            "source": self._source,
            "type": MANIFEST_TYPE,
            "time": manifest.started_at,
            "datacontenttype": "application/json",
            "data": manifest,
        }
        return encode(event) + b"\n]\n"

    def _event(self, record: Exported) -> bytes:
        row: dict[str, Any] = decode(record.row)
        proof = proof_of(record, row)
        event = {
            "specversion": "1.0",
            "id": row["interactionId"],
            "source": f"{self._source}/origins/{quote(row['originMnemonic'], safe='')}",
            "type": f"provenance.{row['resourceTypeMnemonic']}.{row['actionMnemonic']}".lower(),
            "subject": row["resourceId"],
            "time": _time(int(row["occurredAt"])),
            "datacontenttype": "application/json",
            "uowid": row["uowId"],
            "sequence": f"{record.number:020d}",
            "leafhash": proof.get("leafHash"),
            "data": {**row, "proof": proof},
        }
        # An attribute without a value is left out: null is no value of an attribute.
        return encode({name: value for name, value in event.items() if value is not None})


def _time(ns: int) -> str:
    """Write RFC 3339 with microseconds; the nanoseconds are in ``data.occurredAt``."""
    return utc(ns).isoformat(timespec="microseconds").replace("+00:00", "Z")
