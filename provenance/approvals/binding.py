"""What binds a decision to what it decides (docs/decisions/0022): the statement, its signatures, and their check.

The statement says which step of which run, of which version, with which payload, under which policy, and who was
asked. Every decision is an Ed25519 signature over the statement's digest, by a key of this purpose alone. A run goes
on by checking them: what a row says counts for nothing. Pure, but for the keys handed in.
"""

import uuid
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from hashlib import sha256
from typing import Any, Final, Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from provenance.core.clock import iso_millis
from provenance.core.keyring import WorkspaceKeys
from provenance.proof.canonical import BadJson, canonical

PURPOSE: Final = "approvals.decisions"
KEY_ID: Final = "1"
STATEMENT_TYPE: Final = "provenance.approval/1"
DECISION_TYPE: Final = "provenance.decision/1"

Choice = Literal["approved", "rejected"]


class Statement(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What is decided on. Times are ISO 8601 texts, digests SHA-256 in hex."""

    type: str = STATEMENT_TYPE
    workspace_id: str
    approval_id: str
    run_id: str
    step_key: str
    iteration: int
    attempt: int
    workflow_id: str
    version_checksum: str
    risk: str
    payload_digest: str
    payload_revision: int
    original_digest: str
    policy_revision: str
    approvers: list[str]
    required_approvals: int
    expires_at: str | None

    @property
    def text(self) -> str:
        """The canonical form, which is what people are shown and what is signed."""
        return canonical(msgspec.to_builtins(self)).decode()

    @property
    def digest(self) -> str:
        """Its name."""
        return sha256(self.text.encode()).hexdigest()


class Signed(msgspec.Struct, frozen=True, rename="camel"):
    """One decision: by a ``user_…``, or by the system, which names the ``rule`` or grant it follows."""

    decision: Choice
    by: str
    at: str
    comment: str | None
    rule: str | None
    signature: str


class Proof(msgspec.Struct, frozen=True, rename="camel"):
    """What a run is handed with an outcome."""

    key_id: str
    statement: Statement
    decisions: list[Signed]


class Place(msgspec.Struct, frozen=True):
    """The step that waits, as the run itself knows it."""

    workspace_id: uuid.UUID
    run_id: str
    step_key: str
    iteration: int
    attempt: int
    version_checksum: str


def payload_digest(payload: Any) -> str:
    """Return the SHA-256 of a payload: of its JSON with the members of each object sorted and no blanks."""
    return sha256(msgspec.json.encode(payload, order="deterministic")).hexdigest()


def sign(
    keys: WorkspaceKeys,
    digest: str,
    decision: Choice,
    *,
    by: str,
    at: int,
    comment: str | None = None,
    rule: str | None = None,
) -> Signed:
    """Sign a decision on the statement of this digest; ``at`` is in nanoseconds since the epoch."""
    moment = iso_millis(at)
    signature = keys.signer(PURPOSE).sign(_message(digest, decision, by, moment, comment, rule))
    return Signed(decision, by, moment, comment, rule, b64encode(signature).decode())


def public_key(keys: WorkspaceKeys) -> Ed25519PublicKey:
    """Return the key that checks a workspace's decisions."""
    return keys.signer(PURPOSE).public_key()


def fault_of(key: Ed25519PublicKey, place: Place, outcome: Any) -> str | None:
    """Say in a sentence why an outcome does not prove what it says; None when it does.

    Proven: it is about this step of this run and version, about this payload, and signed by as many people as the
    statement asks for (by the system, where a rule or a grant decided), each within the time.
    """
    try:
        proof = msgspec.convert(outcome["proof"], Proof)
        return _fault_of(key, place, outcome, proof)
    except (KeyError, TypeError, msgspec.ValidationError, BadJson):
        return "The decision carries no proof."


def _fault_of(key: Ed25519PublicKey, place: Place, outcome: Any, proof: Proof) -> str | None:
    choice, payload = outcome["decision"], outcome["payload"]
    if proof.key_id != KEY_ID:
        return "The decision is signed with a key that is not known here."
    statement = proof.statement
    if _place_of(statement) != _wanted(place):
        return "The decision is about another step, run or version."
    if payload_digest(payload) != statement.payload_digest:
        return "The payload is not the one that was decided on."
    mine = [each for each in proof.decisions if each.decision == choice and _is_signed(key, statement, each)]
    if not _is_quorum(statement, choice, mine):
        return "The signatures do not bear the decision out."
    if outcome.get("decidedBy") != mine[-1].by or outcome.get("comment") != mine[-1].comment:
        return "Who decided, or what they said, is not what was signed."
    if outcome.get("decidedAt") != mine[-1].at:
        return "When it was decided is not what was signed."
    if outcome.get("edited") is not (statement.payload_digest != statement.original_digest):
        return "Whether the payload was edited is not what was signed."
    return None


def _is_quorum(statement: Statement, choice: str, signed: list[Signed]) -> bool:
    """Tell whether decisions of one kind suffice: one rejects; so many approve, or the system by a rule."""
    if not signed:
        return False
    if choice == "rejected" or any(each.rule is not None for each in signed):
        return True
    return choice == "approved" and len({each.by for each in signed}) >= statement.required_approvals


def _is_signed(key: Ed25519PublicKey, statement: Statement, decision: Signed) -> bool:
    if statement.expires_at is not None and decision.at > statement.expires_at:
        return False
    message = _message(statement.digest, decision.decision, decision.by, decision.at, decision.comment, decision.rule)
    try:
        key.verify(b64decode(decision.signature, validate=True), message)
    except (InvalidSignature, NotBase64, ValueError):
        return False
    return True


def _message(digest: str, decision: str, by: str, at: str, comment: str | None, rule: str | None) -> bytes:
    members = {"type": DECISION_TYPE, "statement": digest, "decision": decision, "by": by, "at": at}
    return canonical({**members, "comment": comment, "rule": rule})


def _place_of(statement: Statement) -> tuple[Any, ...]:
    return (
        statement.type,
        statement.workspace_id,
        statement.run_id,
        statement.step_key,
        statement.iteration,
        statement.attempt,
        statement.version_checksum,
    )


def _wanted(place: Place) -> tuple[Any, ...]:
    return (
        STATEMENT_TYPE,
        str(place.workspace_id),
        place.run_id,
        place.step_key,
        place.iteration,
        place.attempt,
        place.version_checksum,
    )
