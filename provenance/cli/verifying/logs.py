"""Checking a whole log: its head, everything below it, and that it grew out of the head that was seen last."""

from pathlib import Path
from typing import TYPE_CHECKING

from provenance.cli.progress import Bar
from provenance.cli.verifying.memory import Memory
from provenance.cli.verifying.sources import Source
from provenance.cli.verifying.trust import judge
from provenance.cli.verifying.verdict import Verdict
from provenance.cli.verifying.walking import Broken, Walk
from provenance.proof.checkpoints import Checkpoint
from provenance.proof.merkle import InvalidProof, verify_consistency
from provenance.proof.notes import MalformedKey, Note, UnverifiedNote, VerifierKey, verify
from provenance.proof.policy import Policy, succession
from provenance.proof.strict import Malformed

if TYPE_CHECKING:
    from collections.abc import Callable

TOLD = 20
"""Faults that are told with their places; the rest are counted."""
SAVED_EVERY = 64 * 256


def check_log(
    source: Source, policy: Policy, place: "Callable[[str], Path] | None", *, contents: bool, afresh: bool
) -> tuple[Verdict, Note | None]:
    """Walk a log and say what was found; ``place`` names the file in which a log is remembered.

    Returns the verdict and the signed head. Raises what the source raises.
    """
    verdict = Verdict(source.name)
    text = source.checkpoint()
    try:
        note = Note.parse(text)
        head = Checkpoint.parse(note.text)
    except Malformed as error:
        verdict.add("checkpoint", False, str(error), "checkpoint")
        return verdict, None
    verdict.name = f"{source.name}: log {head.origin}, {head.size:,} entries"
    _check_signature(verdict, source, note, policy)
    path = None if place is None else place(head.origin)
    memory = Memory.load(path)
    if afresh:
        memory.start_over()
    if path is not None:
        _check_growth(verdict, source, head, memory.checkpoint)
    _walk(verdict, source, head, memory, path, contents=contents)
    if verdict.proven:
        memory.checkpoint = text
        memory.start_over()
    memory.save(path)
    return verdict, note


def _check_signature(verdict: Verdict, source: Source, note: Note, policy: Policy) -> None:
    origin = Checkpoint.parse(note.text).origin
    published = source.keys()
    shown: list[VerifierKey] = []
    for text, _, _ in published:
        try:
            shown.append(VerifierKey.parse(text))
        except MalformedKey as error:
            verdict.add("checkpoint", False, str(error), "key")
    known = None
    try:
        signer = verify(note, [key for key in shown if key.name == origin])
        known = str(signer[-1])
        verdict.add("checkpoint", True, "The head is signed with the key that the log shows.")
    except UnverifiedNote as error:
        if shown:
            verdict.add("checkpoint", False, str(error), "checkpoint")
    judge(verdict, note, policy, succession(policy.logs, published), known)


def _check_growth(verdict: Verdict, source: Source, head: Checkpoint, remembered: str | None) -> None:
    """Check that the head extends the one that was found good last."""
    if remembered is None:
        verdict.add("growth", True, "No earlier head of this log is remembered here; from now on this one is.")
        return
    old = Checkpoint.parse(Note.parse(remembered).text)
    check_extends(verdict, source, old, head, "the head that you saw last")


def check_extends(verdict: Verdict, source: Source, old: Checkpoint, head: Checkpoint, what: str) -> None:
    """Check that a log as it is now holds all that an older head of it held."""
    if old.size > head.size:
        why = f"the log has {head.size:,} entries, but {what} had {old.size:,}: it was cut or rolled back"
        verdict.add("growth", False, why, "checkpoint")
        return
    try:
        verify_consistency(old.size, old.root, head.size, head.root, source.consistency(old.size, head.size))
    except (InvalidProof, Malformed) as error:
        verdict.add("growth", False, f"the log does not hold what {what} held: {error}", f"entries 1 to {old.size:,}")
        return
    verdict.add("growth", True, f"The log holds all that {what} held ({old.size:,} entries).")


def _walk(
    verdict: Verdict, source: Source, head: Checkpoint, memory: Memory, path: Path | None, *, contents: bool
) -> None:
    walk = Walk(source, head, memory, contents=contents)
    saved = memory.done
    try:
        with Bar("Walking the log", head.size, memory.done) as bar:

            def progress(done: int) -> None:
                nonlocal saved
                bar.advance_to(done)
                if memory.done - saved >= SAVED_EVERY:
                    memory.save(path)
                    saved = memory.done

            walk.run(progress)
    except Broken as broken:
        verdict.add("tiles", False, broken.why, broken.where)
    except BaseException:
        memory.save(path)  # an interrupted walk goes on where it was
        raise
    for where, why in memory.faults[:TOLD]:
        verdict.add("entries", False, why, where)
    if memory.fault_count > TOLD:
        verdict.add("entries", False, f"and {memory.fault_count - TOLD:,} more that are not as they were signed")
    if verdict.proven:
        verdict.add("entries", True, f"All {head.size:,} entries and all tiles make the root that was signed.")
        _tell_contents(verdict, memory)


def _tell_contents(verdict: Verdict, memory: Memory) -> None:
    if memory.contents:
        verdict.add("content", True, "The content of every row that your key may see is the one that was sealed.")
    else:
        verdict.add("content", True, "Contents were not looked at: only the log itself.")
