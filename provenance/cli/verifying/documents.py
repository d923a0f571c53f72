"""Checking single files, without a server: a JSON proof, a tlog-proof with its record, an evidence pack."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from provenance.cli.errors import Misused
from provenance.cli.verifying.erasures import check_erasure
from provenance.cli.verifying.trust import judge
from provenance.cli.verifying.verdict import Verdict
from provenance.proof.bad_json import BadJson
from provenance.proof.canonical import admit
from provenance.proof.checkpoints import Checkpoint
from provenance.proof.json_proof import verify_json_proof
from provenance.proof.leaf import content_digest, leaf_hash
from provenance.proof.merkle import InvalidProof, verify_inclusion
from provenance.proof.notes import Note, VerifierKey
from provenance.proof.policy import Policy, succession
from provenance.proof.proof_file import HEADER, ProofFile
from provenance.proof.standalone import verify_pack
from provenance.proof.strict import Malformed

MOST_BYTES = 64 * 1024 * 1024
_NULL = b"null"


class Record(msgspec.Struct):
    """A record beside a tlog-proof: its envelope, and its content with the salt unless erased."""

    envelope: msgspec.Raw
    content: msgspec.Raw = msgspec.Raw(_NULL)
    salt: str | None = None


def check_file(path: Path, record: Path | None, certificates: Sequence[Path], policy: Policy) -> Verdict:
    """Check one file, whatever it is. Raises Misused when it can't be read or is nothing of ours.

    ``record`` goes with a tlog-proof; ``certificates`` with a proof whose content was erased (a pack has its own).
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(HEADER))
            if start[:4] == b"PK\3\4":
                return check_pack(path, policy)
            data = start + file.read(MOST_BYTES)
    except OSError as error:
        raise Misused(f"Cannot read {path}: {error.strerror}") from error
    try:
        if start == HEADER.encode():
            return check_proof_file(str(path), data, record, certificates, policy)
        return check_json_proof(str(path), data, certificates, policy)
    except Malformed as error:
        raise Misused(f"{path}: {error}") from error


def check_json_proof(name: str, data: bytes, certificates: Sequence[Path], policy: Policy) -> Verdict:
    """Check a JSON proof. Raises `MalformedProof` for what is none."""
    verdict = Verdict(name)
    findings = verify_json_proof(data, policy.logs)
    for finding in findings.findings:
        # Who signed is judged below, with the witnesses; here only whether there is a checkpoint of that size.
        if finding.subject != "checkpoint" and not (findings.erased and finding.subject == "content"):
            verdict.add(finding.subject, finding.passed, finding.sentence)
    document = msgspec.json.decode(data)
    if findings.checkpoint is None:
        verdict.add("checkpoint", False, "There is no readable checkpoint in the proof.")
        return verdict
    if findings.erased:
        check_erasure(verdict, findings.index + 1, findings.checkpoint.origin, certificates, policy)
    fits = findings.checkpoint.size == document["treeSize"]
    verdict.add("checkpoint", fits, "The checkpoint is of the tree that the proof names." if fits else "It is not.")
    judge(verdict, Note.parse(document["checkpoint"]), policy, policy.logs, None)
    return verdict


def check_proof_file(
    name: str, data: bytes, record: Path | None, certificates: Sequence[Path], policy: Policy
) -> Verdict:
    """Check a tlog-proof against the record that it is said to prove. Raises Misused without one, `Malformed`."""
    if record is None:
        raise Misused(f"{name} holds no record. Name the record that it proves: --record FILE.")
    verdict, proof, known = Verdict(name), ProofFile.parse(data), _record(record)
    envelope = _envelope(known)
    checkpoint = Checkpoint.parse(proof.note.text)
    try:
        verify_inclusion(leaf_hash(envelope), proof.index, checkpoint.size, proof.path, checkpoint.root)
        verdict.add("position", True, f"The record is leaf {proof.index} of the checkpoint's {checkpoint.size}.")
    except InvalidProof as error:
        verdict.add("position", False, f"The path does not lead from this record to the checkpoint: {error}.")
    if certificates and known.salt is None and bytes(known.content) == _NULL:
        check_erasure(verdict, proof.index + 1, checkpoint.origin, certificates, policy)
    else:
        _check_content(verdict, known, envelope)
    judge(verdict, proof.note, policy, policy.logs, None)
    return verdict


def check_pack(path: Path, policy: Policy) -> Verdict:
    """Check an evidence pack with the verifier that travels inside packs, but our own copy of it."""
    verdict = Verdict(str(path))
    named = [verify_pack.Key(str(key)) for key in policy.logs]
    with path.open("rb") as file:
        outcome = verify_pack.verify(file, named)
        for finding in outcome.findings:
            verdict.add(finding.subject, finding.passed, finding.sentence, finding.where)
        if outcome.checkpoint is None:
            return verdict
        pack = verify_pack.Pack(file)
        note = Note.parse(pack.read("checkpoint"))
        judge(verdict, note, policy, _trusted_by(pack, policy), outcome.signer)
    verdict.trusted &= outcome.trusted
    return verdict


def checkpoint_of(path: Path) -> Note:
    """Return the signed head in a file that was checked, to compare it with the log as it is now."""
    if path.is_dir():
        return Note.parse((path / "checkpoint").read_bytes())
    with path.open("rb") as file:
        if file.read(4) == b"PK\3\4":
            return Note.parse(verify_pack.Pack(file).read("checkpoint"))
    data = path.read_bytes()
    if data.startswith(HEADER.encode()):
        return ProofFile.parse(data).note
    return Note.parse(msgspec.json.decode(data)["checkpoint"])


def _trusted_by(pack: verify_pack.Pack, policy: Policy) -> list[VerifierKey]:
    keys = msgspec.json.decode(pack.read("keys.json"))["keys"]
    published = [(each["verifierKey"], each["fromSize"], each["successorNote"]) for each in keys]
    return succession(policy.logs, published)


def _record(path: Path) -> Record:
    try:
        return msgspec.json.decode(admit(path.read_bytes(), max_depth=66), type=Record)
    except OSError as error:
        raise Misused(f"Cannot read {path}: {error.strerror}") from error
    except (BadJson, msgspec.ValidationError) as error:
        raise Misused(f"{path} is no record (an object with envelope, content and salt): {error}") from error


def _envelope(record: Record) -> bytes:
    """The canonical envelope: as it stands, or out of the text that JSON proofs carry it in."""
    text = bytes(record.envelope)
    return msgspec.json.decode(text, type=str).encode() if text[:1] == b'"' else text


def _check_content(verdict: Verdict, record: Record, envelope: bytes) -> None:
    content = bytes(record.content)
    if content == _NULL and record.salt is None:
        verdict.add("content", True, "The record has no content: it was erased, or left out.")
        return
    try:
        digest = content_digest(bytes.fromhex(record.salt or ""), content).hex()
        fits = digest == msgspec.json.decode(envelope).get("contentDigest")
    except (ValueError, AttributeError):
        fits = False
    good, bad = "The content is the one that was committed to.", "The content is not the one that was committed to."
    verdict.add("content", fits, good if fits else bad)
