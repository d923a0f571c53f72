"""Whom the person trusts, as the command line says it: keys, and a policy file."""

from collections.abc import Sequence
from pathlib import Path

from provenance.cli.errors import Misused
from provenance.cli.verifying.verdict import Verdict
from provenance.proof.checkpoints import Checkpoint
from provenance.proof.notes import MalformedKey, Note, UnverifiedNote, VerifierKey, verify
from provenance.proof.policy import Policy
from provenance.proof.strict import Malformed

HOW = "Get the log's key from its operator by another way, and name it with --key or --policy."


def policy_of(keys: Sequence[str], file: Path | None) -> Policy:
    """Return what is trusted. Raises Misused for a file or a key that can't be read."""
    try:
        policy = Policy() if file is None else Policy.parse(file.read_text("utf-8", "surrogateescape"))
        return policy.trusting([VerifierKey.parse(key.strip()) for key in keys])
    except OSError as error:
        raise Misused(f"Cannot read {file}: {error.strerror}") from error
    except MalformedKey as error:
        raise Misused(f"--key: {error}") from error
    except Malformed as error:
        raise Misused(f"{file}: {error}") from error


def judge(verdict: Verdict, note: Note, policy: Policy, trusted: Sequence[VerifierKey], known: str | None) -> None:
    """Say whether a checkpoint is signed by a key that the person named, and cosigned by enough witnesses.

    ``trusted`` are the named keys with those that they name in turn; ``known`` is the key that the log itself shows.
    """
    origin = Checkpoint.parse(note.text).origin
    mine = [key for key in trusted if key.name == origin]
    try:
        verify(note, mine)
        verdict.trusted = True
        verdict.add("trust", True, f"Signed by a key of {origin} that you named.")
    except UnverifiedNote as error:
        if any(signature.is_by(key) for signature in note.signatures for key in mine):
            verdict.add("checkpoint", False, str(error))
            return
        verdict.add("trust", False, _unknown(note, origin, known))
    _judge_witnesses(verdict, note, policy)


def _unknown(note: Note, origin: str, known: str | None) -> str:
    signers = [signature for signature in note.signatures if signature.name == origin]
    if known is not None:
        return f"Signed by {known}, which you have not named as trusted. {HOW}"
    if not signers:
        return f"No key named like the log {origin} has signed. {HOW}"
    ids = ", ".join(f"{signature.name}+{signature.key_id.hex()}+…" for signature in signers)
    return f"Signed by {ids}, which you have not named as trusted: its signature could not be checked. {HOW}"


def _judge_witnesses(verdict: Verdict, note: Note, policy: Policy) -> None:
    try:
        witnessed = policy.witnessed_by(note)
    except UnverifiedNote as error:
        verdict.add("witnesses", False, str(error))
        return
    if policy.quorum == "none":
        return
    named = ", ".join(witnessed) or "none"
    met = policy.is_met(witnessed)
    verdict.trusted &= met
    verdict.add("trust", met, f"Witnesses of your policy under the head: {named}; {'' if met else 'not '}a quorum.")
