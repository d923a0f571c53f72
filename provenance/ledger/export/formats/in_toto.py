"""An in-toto Statement v1 for a unit of work, in a DSSE envelope signed with the log's key.

Subjects are the resources of the unit. One whose id ends in ``sha256:<64 hex digits>``, as artefacts and images are
called, has that digest; any other the SHA-256 of the leaf hashes of its interactions in this statement, in order. The
unit itself is a subject too, with the SHA-256 of all leaf hashes.
"""

import re
from hashlib import sha256
from typing import Any

from provenance.ledger.export.formats.contract import decode, encode, proof_of
from provenance.ledger.export.formats.dsse import envelope
from provenance.ledger.export.schemas import Exported, Frame, Manifest

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://provenance.local/attestations/unit-of-work/v1"
PAYLOAD = "application/vnd.in-toto+json"
_DIGEST = re.compile(r"(?:.*[@/])?sha256:([0-9a-f]{64})", re.DOTALL)


class Attestation:
    """Collects the interactions of a unit of work and signs a statement about them."""

    def __init__(self, frame: Frame) -> None:
        """Take the frame, for the unit of work and the signer."""
        self._uow, self._signer = frame.asked["uowId"][0].lower(), frame.signer
        self._unit = ("unit-of-work", self._uow)
        self._rows: list[dict[str, Any]] = []
        self._leaves: dict[tuple[str, str], list[bytes]] = {self._unit: []}

    def opening(self) -> bytes:
        """Return nothing: a statement is written at its end."""
        return b""

    def record(self, record: Exported) -> bytes:
        """Add an interaction, and its resource to the subjects."""
        row: dict[str, Any] = decode(record.row)
        row["proof"] = proof_of(record, row)
        self._rows.append(row)
        assert record.leaf_hash is not None, "the service refuses a statement without proofs"
        self._leaves[self._unit].append(record.leaf_hash)
        if row["resourceId"] is not None:
            subject = (row["resourceTypeMnemonic"], row["resourceId"])
            self._leaves.setdefault(subject, []).append(record.leaf_hash)
        return b""

    def closing(self, manifest: Manifest) -> bytes:
        """Return the envelope."""
        statement = {
            "_type": STATEMENT,
            "subject": [
                {"name": f"{kind}/{resource_id}", "digest": {"sha256": _digest(resource_id, leaves)}}
                for (kind, resource_id), leaves in self._leaves.items()
            ],
            "predicateType": PREDICATE,
            "predicate": {"unitOfWork": self._uow, "interactions": self._rows, "manifest": manifest},
        }
        return encode(envelope(PAYLOAD, encode(statement), self._signer)) + b"\n"


def _digest(resource_id: str, leaves: list[bytes]) -> str:
    named = _DIGEST.fullmatch(resource_id)
    return named[1] if named else sha256(b"".join(leaves)).hexdigest()
