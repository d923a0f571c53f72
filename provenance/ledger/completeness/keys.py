"""The keys of the completeness map: the one that signs its note, and the index key that the note fixes."""

from provenance.core.keyring import WorkspaceKeys
from provenance.ledger.entry import INDEX_PURPOSE
from provenance.proof.completeness_map import SUFFIX, index_key_commitment
from provenance.proof.notes import Signer

PURPOSE = "completeness"


def signer_of(keys: WorkspaceKeys, origin: str, generation: int) -> Signer:
    """Return the signer of the map of a log, at one generation of the workspace's data key."""
    return Signer(origin + SUFFIX, keys.signer(PURPOSE, generation))


def index_key_of(keys: WorkspaceKeys) -> bytes:
    """Return the workspace's index key: a secret that only completeness answers disclose."""
    return keys.derive(INDEX_PURPOSE)


def commitment_of(keys: WorkspaceKeys) -> bytes:
    """Return what the map's note says of the index key."""
    return index_key_commitment(index_key_of(keys))
