"""The signing key of a log: derived by the keyring, named like the log's origin."""

from provenance.core.keyring import WorkspaceKeys
from provenance.proof.notes import Note, Signer, sign

PURPOSE = "log"


def origin_of(instance_name: str, name: str, epoch: int) -> str:
    """Return the origin of a log that has none yet: ``<instance name>/<slug>``, after a restore ``…/e<N>``."""
    origin = f"{instance_name}/{name}"
    return f"{origin}/e{epoch}" if epoch else origin


def signer_of(keys: WorkspaceKeys, origin: str, generation: int) -> Signer:
    """Return the signer of a log at one generation of the workspace's data key."""
    return Signer(origin, keys.signer(PURPOSE, generation))


def successor_note(old: Signer, new: Signer, size: int) -> Note:
    """Return a note, signed by the old key, that names the new one and the size from which it signs."""
    return sign(f"{old.name}\nsuccessor\n{size}\n{new.verifier}\n", old)
