"""Our side as a witness: what is asked of us, what we know of the log, and whether we sign (tlog-witness).

A head is cosigned only if it extends the last head of its origin that we cosigned. That last head moves by compare
and set before anything is signed, so two requests at once never get signatures for two different logs.
"""

from typing import NamedTuple

import structlog

from provenance.core.db import WriteTx
from provenance.ledger.log.integrating import incident
from provenance.ledger.service import Ledger, record
from provenance.ledger.witness import queries
from provenance.ledger.witness.schemas import Verdict, Witnessed
from provenance.proof.add_checkpoint import SIZE_TYPE, AddCheckpoint
from provenance.proof.checkpoints import open_checkpoint
from provenance.proof.cosignatures import cosign
from provenance.proof.merkle import InvalidProof, verify_consistency
from provenance.proof.notes import COSIGNATURE_V1, Signer, UnverifiedNote
from provenance.proof.strict import Malformed

PURPOSE = "witness"
BODY_LIMIT = 64 * 1024
"""Bytes of a request: 63 hashes, and a checkpoint with as many signatures as a note may have."""
HOUR = 3600 * 10**9

log = structlog.get_logger("ledger.witness")


class _Refusal(NamedTuple):
    """Why a head is not cosigned; with a kind when the log has shown something that should not be."""

    verdict: Verdict
    kind: str | None = None
    sentence: str = ""


async def add_checkpoint(ledger: Ledger, body: bytes) -> Verdict:
    """Cosign the head in the body of a request, or say why not, with the statuses of tlog-witness.

    Raises Unavailable when nothing can be written down now.
    """
    try:
        asked = AddCheckpoint.parse(body)
    except Malformed as error:
        return Verdict(400, f"{error}\n")
    ledger.guard.ensure()
    async with ledger.db.housekeeping() as tx:
        inside = tx.inside(await queries.instance(tx))
        known = await queries.witnessed(inside, asked.checkpoint.origin)
        if known is None or not known.verifier_keys:
            return Verdict(404, "This witness does not know the log.\n")
        refusal = _refusal(asked, known)
        if refusal is None:
            return await _cosigned(ledger, inside, asked, known)
        _report(inside, asked, known, refusal)
    return refusal.verdict


async def verifier_key(ledger: Ledger) -> str:
    """Return the verifier key of our witness."""
    async with ledger.db.housekeeping() as tx:
        return str((await signer(ledger, tx.inside(await queries.instance(tx)))).verifier)


async def signer(ledger: Ledger, tx: WriteTx) -> Signer:
    """Return our witness's key, ``<instance name>/witness``; the transaction is in the instance workspace."""
    keys = await ledger.keyring.within(tx)
    name = await queries.key_name(tx, f"{ledger.settings.instance_name}/{PURPOSE}")
    return Signer(name, keys.signer(PURPOSE), COSIGNATURE_V1)


async def _cosigned(ledger: Ledger, tx: WriteTx, asked: AddCheckpoint, known: Witnessed) -> Verdict:
    key = await signer(ledger, tx)
    head = asked.checkpoint
    at = await queries.advance(tx, known, head.size, head.root, str(asked.note))
    if at is None:
        first = await queries.witnessed(tx, head.origin)
        assert first is not None, "a log that was witnessed stays known"
        return _latest(first.size)
    return Verdict(200, str(cosign(asked.note, key, at)))


def _refusal(asked: AddCheckpoint, known: Witnessed) -> _Refusal | None:
    """Judge a request in the order of the specification; None when the head is to be cosigned."""
    head = asked.checkpoint
    try:
        open_checkpoint(asked.note, known.keys, origin=known.origin)
    except UnverifiedNote:
        return _Refusal(Verdict(403, "No key that this witness trusts has signed the checkpoint.\n"))
    if asked.old_size > head.size:
        return _Refusal(Verdict(400, "The old size is larger than the checkpoint's.\n"), *_rolled_back(asked, known))
    if head.size == known.size and head.root != known.root:
        said = f"The log {known.origin} signed two heads of {known.size} leaves."
        return _Refusal(_latest(known.size), "witnessed_log_forked", said)
    if asked.old_size != known.size:
        return _Refusal(_latest(known.size), *_rolled_back(asked, known))
    try:
        verify_consistency(known.size, known.root, head.size, head.root, asked.proof)
    except InvalidProof as error:
        said = f"The log {known.origin} gave no proof that {head.size} leaves extend the {known.size} cosigned before."
        return _Refusal(Verdict(422, f"The proof does not fit: {error}.\n"), "witnessed_log_inconsistent", said)
    return None


def _rolled_back(asked: AddCheckpoint, known: Witnessed) -> tuple[str | None, str]:
    """A smaller head than was cosigned: the log went back, or somebody shows an old head again."""
    if asked.checkpoint.size >= known.size:
        return None, ""
    said = (
        f"The log {known.origin} was shown with {asked.checkpoint.size} leaves after {known.size} had been cosigned: "
        "it was rolled back, or an old head was shown again."
    )
    return "witnessed_log_rolled_back", said


def _latest(size: int) -> Verdict:
    return Verdict(409, f"{size}\n", SIZE_TYPE)


def _report(tx: WriteTx, asked: AddCheckpoint, known: Witnessed, refusal: _Refusal) -> None:
    """Record what a log has shown, both heads with it; one row an hour for each kind, for anyone can ask again."""
    if refusal.kind is None:
        return
    data = {
        "kind": refusal.kind,
        "origin": known.origin,
        "found": refusal.sentence,
        "shown": str(asked.note),
        "cosigned": known.note,
    }
    repeat_key = f"{refusal.kind} {known.origin} {tx.now // HOUR}"
    record(tx, incident("witness", data, repeat_key=repeat_key))
    log.error("witnessed_log_refused", origin=known.origin, kind=refusal.kind)
