"""Recording interactions: one, a batch, a queue message. All three end in the same append.

A submission whose words are all known and used goes through the lane and shares a commit. One that brings a new
word takes the cold way once: a transaction that makes the word and appends, so that a refused one leaves neither.
"""

import asyncio
import uuid
from collections.abc import Coroutine, Sequence
from typing import Any

import msgspec
from sqlalchemy import select

from provenance.core.actor import Actor
from provenance.core.db import ReadTx
from provenance.core.door import Answer, Exchange, Settle
from provenance.core.errors import Invalid, Unavailable
from provenance.core.routing import admitted_body
from provenance.ledger import appending
from provenance.ledger.catalogue.cache import Catalogue, Kind
from provenance.ledger.entry import Columns, Entry, Verdict, seal
from provenance.ledger.errors import IdempotencyConflict
from provenance.ledger.interactions import reading
from provenance.ledger.interactions.composing import Source, draft_of, headers_of, source_of
from provenance.ledger.interactions.reading import Headers, Submission, Words
from provenance.ledger.interactions.rendering import SELECTED, render
from provenance.ledger.interactions.vocabulary import Vocabulary
from provenance.ledger.service import Ledger, ensure_words
from provenance.ledger.tables import interactions


async def create(ledger: Ledger, exchange: Exchange) -> Answer:
    """Record the interaction of an exchange whose caller was admitted.

    Raises what `submit` raises, and Invalid for a body that is not acceptable JSON.
    """
    return await submit(ledger, source_of(exchange), admitted_body(exchange), headers_of(exchange))


async def submit(ledger: Ledger, source: Source, canonical: bytes, headers: Headers) -> Answer:
    """Record one interaction; answer 201 with the row as it reads back, or 200 with the row it repeats.

    Raises Invalid, IdempotencyConflict, and what the lane raises.
    """
    submission = reading.read(canonical, headers)
    entry, verdict, catalogue = await _record_one(ledger, source, submission)
    return await _answer(ledger, source, submission, entry, verdict, catalogue)


def submit_soon(ledger: Ledger, exchange: Exchange, settle: Settle) -> bool:
    """Record one interaction as `create` does, if nothing has to be waited for but the commit.

    False when something has to be (a catalogue to be read, a new word to be made, a corrected entry to be found), or
    a word is refused; nothing has happened then.
    """
    source = source_of(exchange)
    workspace_id = source.actor.workspace_id
    catalogue, keys = ledger.catalogues.remembered(workspace_id), ledger.keyring.cached(workspace_id)
    if catalogue is None or keys is None:
        return False
    try:
        submission = reading.read(admitted_body(exchange), headers_of(exchange))
    except Invalid as problem:
        settle(problem)
        return True
    try:
        words = reading.resolve(submission.body, catalogue)
    except Invalid:
        return False  # what is remembered may be a second old; the other way asks again
    if not words.settled or submission.corrects:
        return False
    entry = seal(draft_of(source, submission, words, catalogue), keys)

    def appended(outcome: list[Verdict] | BaseException) -> None:
        if isinstance(outcome, BaseException):
            settle(outcome)
        elif outcome[0].created:
            settle(Answer(201, render(outcome[0].number, entry.columns, catalogue)))
        else:
            _settle_later(settle, _answer(ledger, source, submission, entry, outcome[0], catalogue))

    try:
        ledger.lane.one_soon(entry, appended)
    except Unavailable as problem:
        settle(problem)
    return True


_answering: set[asyncio.Task[None]] = set()


def _settle_later(settle: Settle, answer: Coroutine[Any, Any, Answer]) -> None:
    """Settle with an answer that has to be waited for."""

    async def wait() -> None:
        try:
            outcome: Answer | BaseException = await answer
        except BaseException as error:
            outcome = error
        settle(outcome)

    task = asyncio.create_task(wait())
    _answering.add(task)  # the event loop itself holds tasks by weak references
    task.add_done_callback(_answering.discard)


async def _record_one(ledger: Ledger, source: Source, submission: Submission) -> tuple[Entry, Verdict, Catalogue]:
    workspace_id = source.actor.workspace_id
    vocabulary = await Vocabulary.of(ledger, workspace_id)
    words = await vocabulary.resolve(submission.body)
    if submission.corrects and not await known_ids(ledger, source.actor, {submission.corrects}):
        raise unknown_correction()
    if words.settled:
        keys = ledger.keyring.cached(workspace_id) or await ledger.keyring.of(workspace_id)
        entry = seal(draft_of(source, submission, words, vocabulary.catalogue), keys)
        return entry, await ledger.lane.one(entry), vocabulary.catalogue
    [(verdict, entry)], catalogue = await record_cold(ledger, source, [submission], whole=True)
    return entry, verdict, catalogue


async def _answer(
    ledger: Ledger, source: Source, submission: Submission, entry: Entry, verdict: Verdict, catalogue: Catalogue
) -> Answer:
    """Answer with the row that was recorded, or the one that was repeated. Raises IdempotencyConflict."""
    if verdict.created:
        return Answer(201, render(verdict.number, entry.columns, catalogue))
    first = await _first(ledger, source.actor, verdict.number)
    if verdict.conflicts:
        raise IdempotencyConflict(differing(entry.columns, submission, first))
    return Answer(200, render(verdict.number, first, await ledger.catalogues.of(source.actor.workspace_id)))


async def record_cold(
    ledger: Ledger,
    source: Source,
    submissions: Sequence[Submission],
    *,
    whole: bool,
    at: Sequence[str] = ("",),
) -> tuple[list[tuple[Verdict, Entry]], Catalogue]:
    """Make the missing words and append, in one transaction; a conflict undoes both when ``whole``."""
    ledger.guard.ensure()
    workspace_id = source.actor.workspace_id
    known = await ledger.catalogues.of(workspace_id)  # callers have just read it anew for the word it lacks
    resolved = [
        reading.resolve(submission.body, known, at=place) for submission, place in zip(submissions, at, strict=True)
    ]
    wanted = {pair for words in resolved for pair in _named(words)}
    keys = await ledger.keyring.of(workspace_id)
    try:
        async with ledger.db.housekeeping(workspace_id) as tx:  # the appended entry is the record of its words
            catalogue = await ensure_words(tx, ledger.catalogues, wanted)
            entries = []
            for submission, place in zip(submissions, at, strict=True):
                words = reading.resolve(submission.body, catalogue, at=place)
                entries.append(seal(draft_of(source, submission, words, catalogue), keys))
            verdicts = await appending.append(tx, entries, all_or_nothing=whole)
            if whole and any(verdict.conflicts for verdict in verdicts):
                raise _Undo(verdicts)
    except _Undo as undo:
        return list(zip(undo.verdicts, entries, strict=True)), known
    ledger.wakeups.grew(workspace_id)
    return list(zip(verdicts, entries, strict=True)), catalogue


class _Undo(Exception):
    """Rolls the cold transaction back, so that a refused entry leaves not even a word behind."""

    def __init__(self, verdicts: list[Verdict]) -> None:
        self.verdicts = verdicts


def _named(words: Words) -> list[tuple[Kind, str]]:
    found = [(word.kind, word.mnemonic) for word in words[:3] if word is not None]
    return [*found, *words.missing]


async def _first(ledger: Ledger, actor: Actor, number: int) -> Columns:
    """Read the row that a repeat refers to."""
    async with ledger.db.read(actor) as tx:
        return (await rows_of(tx, [number]))[number]


async def rows_of(tx: ReadTx, numbers: list[int]) -> dict[int, Columns]:
    """Return the columns of rows by their numbers."""
    query = select(*SELECTED).where(interactions.c.workspace_id == tx.workspace_id, interactions.c.number.in_(numbers))
    return {row[0]: Columns._make(row[1:]) for row in await tx.execute(query)}


_WIRE_NAMES = {
    "resource_type_id": "resourceType",
    "action_id": "action",
    "origin_id": "origin",
    "resource_id": "resourceId",
    "user_id": "userId",
    "external_reference": "externalReference",
    "parent_span_id": "parentSpanId",
    "span_id": "spanId",
    "outcome": "outcome",
    "sequence_index": "sequenceIndex",
    "corrects": "corrects",
}
_CONTENT_NAMES = ("changes", "externalResponse", "interaction", "onBehalfOf", "relatedResources")
_SERVER_DEFAULTS = {"uow_id": "uowId", "occurred_at": "timestamp"}


def differing(sent: Columns, submission: Submission, first: Columns) -> list[str]:
    """Name the fields in which a repeat differs from the first one, as the client calls them."""
    fields = [wire for name, wire in _WIRE_NAMES.items() if _plain(getattr(sent, name)) != _plain(getattr(first, name))]
    mine = msgspec.json.decode(sent.content or "{}", type=dict[str, msgspec.Raw])
    theirs = msgspec.json.decode(first.content or "{}", type=dict[str, msgspec.Raw])
    fields += [name for name in _CONTENT_NAMES if bytes(mine.get(name, b"")) != bytes(theirs.get(name, b""))]
    given = {"uow_id": submission.uow_id is not None, "occurred_at": submission.occurred_at is not None}
    for name, wire in _SERVER_DEFAULTS.items():
        if given[name] and _plain(getattr(sent, name)) != _plain(getattr(first, name)):
            fields.append(wire)
    # Nothing differs but which of the two requests left a default to the server; the row does not tell whose it was.
    return fields or list(_SERVER_DEFAULTS.values())


def _plain(value: object) -> object:
    return str(value) if isinstance(value, uuid.UUID) else value


async def known_ids(ledger: Ledger, actor: Actor, references: set[str]) -> set[str]:
    """Return which of these interaction ids this workspace has recorded."""
    async with ledger.db.read(actor) as tx:
        query = select(interactions.c.id).where(
            interactions.c.workspace_id == tx.workspace_id,
            interactions.c.id.in_([uuid.UUID(reference) for reference in references]),
        )
        return {str(row.id) for row in await tx.execute(query)}


def unknown_correction(at: str = "") -> Invalid:
    """Make the refusal of a correction of something that was never recorded here."""
    return Invalid.at(at + "corrects", "is no interaction of this workspace", code="unknown_interaction")
