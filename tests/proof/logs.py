"""A small log for the tests of proofs: records as the ledger makes them, a signed head, and one JSON proof."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provenance.proof.canonical import canonical
from provenance.proof.checkpoints import Checkpoint, sign_checkpoint
from provenance.proof.json_proof import write_json_proof
from provenance.proof.leaf import Envelope, IndexKeys, content_digest, leaf_hash
from provenance.proof.merkle import inclusion_proof, tree_root
from provenance.proof.notes import Note, Signer

LOG = Signer("p.example/main", Ed25519PrivateKey.from_private_bytes(bytes(32)))
SALT = bytes(range(16))
SIZE = 11


def content_of(number: int) -> bytes:
    return canonical({"resourceId": f"user-{number}", "interaction": {"grüße": [1, 0.5, "\u2028"]}})


def envelope_of(number: int) -> bytes:
    return Envelope(
        action="CREATE",
        actor_kind="key",
        content_digest=content_digest(SALT, content_of(number)).hex(),
        corrects=None,
        domain=None,
        id=f"018f3c1e-0000-7000-8000-{number:012}",
        keys=IndexKeys("aa" * 16, None),
        occurred="1700000000000000001",
        origin="WEBAPP",
        outcome="success",
        parent_span=None,
        platform=False,
        recorded="1700000000000000002",
        recorded_by="key_1",
        resource_type="USER",
        risk=None,
        sequence=7,
        span=None,
        uow="018f3c1e-0000-7000-8000-00000000000a",
        workspace="ws_1",
    ).canonical()


ENVELOPES = [envelope_of(number) for number in range(SIZE)]
LEAVES = [leaf_hash(envelope) for envelope in ENVELOPES]


def head(size: int = SIZE, signer: Signer = LOG) -> Note:
    return sign_checkpoint(Checkpoint(signer.name, size, tree_root(LEAVES[:size])), signer)


def document(index: int = 4, *, size: int = SIZE, erased: bool = False) -> bytes:
    sealed = (None, None) if erased else (content_of(index), SALT)
    return write_json_proof(ENVELOPES[index], index, inclusion_proof(LEAVES[:size], index), head(size), *sealed)
