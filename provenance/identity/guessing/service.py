"""The verbs of guesses: take one before anything is compared, take it back when it was right.

A guess is counted before it is judged, under a row lock, so that a thousand at once are no more than one after the
other. Refused guesses count nothing: whoever keeps hammering waits no longer than who comes back in time.
"""

from collections.abc import Sequence

from provenance.core.clock import NANOS
from provenance.core.db import Database, WriteTx
from provenance.core.keyring import WorkspaceKeys
from provenance.identity.errors import TooManyGuesses
from provenance.identity.guessing import queries
from provenance.identity.guessing.schemas import POLICIES, Kind, Subject

_LONGEST = max(policy.forgotten_after for policy in POLICIES.values())


def digest(keys: WorkspaceKeys, subject: Subject) -> bytes:
    """Return what is stored of a subject: a MAC of its kind and name."""
    return keys.mac("guess", subject.kind.value.encode() + b"\0" + subject.name)


async def take(db: Database, keys: WorkspaceKeys, subjects: Sequence[Subject]) -> int:
    """Count a guess against each subject, or against none; return the failures of the first, this one among them.

    Raises TooManyGuesses while one of them is blocked, right or wrong.
    """
    async with db.housekeeping() as tx:
        wait, failures = await _take(tx, keys, subjects)
    if wait:
        raise TooManyGuesses("Too many attempts. Wait before the next one.", headers={"Retry-After": str(wait)})
    return failures


async def _take(tx: WriteTx, keys: WorkspaceKeys, subjects: Sequence[Subject]) -> tuple[int, int]:
    ordered = sorted((digest(keys, subject), subject.kind) for subject in subjects)  # one order of locks
    counts = {stored: await queries.lock(tx, stored, kind.value) for stored, kind in ordered}
    wait = max(count.blocked_for(tx.now) for count in counts.values())
    if wait:
        return wait, 0
    guessed = {stored: counts[stored].guessed(POLICIES[kind], tx.now) for stored, kind in ordered}
    for stored, count in guessed.items():
        await queries.store(tx, stored, count)
    return 0, guessed[digest(keys, subjects[0])].failures


async def take_back(tx: WriteTx, keys: WorkspaceKeys, subjects: Sequence[Subject]) -> None:
    """Take one guess back that was neither right nor wrong; what was wrong before still counts."""
    for stored in sorted(digest(keys, subject) for subject in subjects):
        await queries.forgive_one(tx, stored)


async def was_right(tx: WriteTx, keys: WorkspaceKeys, subjects: Sequence[Subject]) -> None:
    """Forget an account's failures; an address only gets back the one guess, or its owner could wash it clean."""
    for subject in sorted(subjects, key=lambda each: digest(keys, each)):
        settle = queries.forgive_one if subject.kind is Kind.ADDRESS else queries.forget
        await settle(tx, digest(keys, subject))
    await queries.delete_quiet(tx, tx.now - _LONGEST * NANOS)
