"""Recording interactions: one, a batch, a queue message. All three end in the same append.

A submission whose words are all known and used goes through the lane and shares a commit. One that brings a new
word takes the cold way once: a transaction that makes the word and appends, so that a refused one leaves neither.
"""

import asyncio
import uuid
from collections.abc import Coroutine, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import select

from provenance.core.actor import Actor
from provenance.core.db import ReadTx
from provenance.core.door import Answer, Exchange, Settle
from provenance.core.errors import Invalid, Unavailable
from provenance.core.ids import new_uuid_text
from provenance.core.routing import admitted_body
from provenance.ledger import appending
from provenance.ledger.catalogue.cache import Catalogue, Kind
from provenance.ledger.entry import Columns, Draft, Entry, Verdict, seal
from provenance.ledger.errors import IdempotencyConflict
from provenance.ledger.interactions import reading
from provenance.ledger.interactions.reading import NO_HEADERS, Headers, Submission, Words
from provenance.ledger.interactions.rendering import SELECTED, render
from provenance.ledger.interactions.schemas import InteractionCreate
from provenance.ledger.interactions.vocabulary import Vocabulary
from provenance.ledger.service import Ledger, ensure_words
from provenance.ledger.tables import interactions
from provenance.proof.canonical import canonical_string

_encode = msgspec.json.Encoder().encode


class Source(NamedTuple):
    """Where a submission came from: the caller and the address, kept with the content."""

    actor: Actor
    ip: str | None
    user_agent: str | None


def source_of(exchange: Exchange) -> Source:
    """Return the source of an exchange whose caller was admitted."""
    assert exchange.actor is not None
    agent = exchange.headers.get(b"user-agent")
    return Source(exchange.actor, exchange.client_ip, None if agent is None else _agent(agent))


def headers_of(exchange: Exchange) -> Headers:
    """Return the headers of section 2."""
    sent = exchange.headers
    if _HEADER_NAMES.isdisjoint(sent):
        return NO_HEADERS
    return Headers(*[exchange.header(name) or None if name in sent else None for name in _HEADERS])


_HEADERS = (
    b"x-uowid",
    b"x-userid",
    b"x-interaction-timestamp",
    b"x-span-id",
    b"x-parent-span-id",
    b"idempotency-key",
    b"traceparent",
)
_HEADER_NAMES = frozenset(_HEADERS)


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


def draft_of(source: Source, submission: Submission, words: Words, catalogue: Catalogue) -> Draft:
    """Make the draft of a submission whose words are resolved."""
    body = submission.body
    assert words.resource_type is not None
    assert words.action is not None
    assert words.origin is not None
    uow_id, links = submission.uow_id, None
    if submission.trace is not None:
        trace_id, parent_id = submission.trace
        if uow_id is None:
            uow_id = str(uuid.UUID(trace_id))
        else:
            links = f'[{{"spanId":"{parent_id}","traceId":"{trace_id}"}}]'.encode()
    sent = _members(body, submission.user_id)
    members = _with_source(sent, source, links)
    repeat_key = None
    if submission.idempotency_key is not None:
        repeat_key = b"key\0" + submission.idempotency_key.encode()
    elif submission.span_id is not None:
        repeat_key = b"span\0" + submission.span_id.encode()
    return Draft(
        workspace_id=source.actor.workspace_id,
        workspace=catalogue.workspace,
        recorded_by=source.actor.id,
        actor_kind=source.actor.kind.value,
        resource_type=words.resource_type,
        action=words.action,
        origin=words.origin,
        resource_id=body.resource_id,
        user_id=submission.user_id,
        external_reference=body.external_reference,
        uow_id=uow_id or new_uuid_text(),
        span_id=submission.span_id,
        parent_span_id=submission.parent_span_id,
        occurred_at=submission.occurred_at,
        outcome=body.outcome,
        sequence_index=body.sequence_index,
        corrects=submission.corrects,
        members=members,
        related=[related.resource_id for related in body.related_resources or ()],
        repeat_key=repeat_key,
        sent=b"" if repeat_key is None else _sent(submission, words, sent),
    )


def _members(body: InteractionCreate, user_id: str | None) -> list[tuple[str, bytes]]:
    """Return the members of the content that the client sent, in canonical order, without empty ones."""
    members: list[tuple[str, bytes]] = []
    if (changes := bytes(body.changes)) != b"null":
        members.append(("changes", changes))
    if body.external_reference is not None:
        members.append(("externalReference", canonical_string(body.external_reference)))
    if (response := bytes(body.external_response)) != b"null":
        members.append(("externalResponse", response))
    if (interaction := bytes(body.interaction)) != b"null":
        members.append(("interaction", interaction))
    if body.on_behalf_of:
        members.append(("onBehalfOf", _encode(body.on_behalf_of)))
    if body.related_resources:
        members.append(("relatedResources", _encode(body.related_resources)))
    members.append(("resourceId", canonical_string(body.resource_id)))
    if user_id is not None:
        members.append(("userId", canonical_string(user_id)))
    return members


def _with_source(sent: list[tuple[str, bytes]], source: Source, links: bytes | None) -> list[tuple[str, bytes]]:
    """Add what the server knows of the sender, keeping the canonical order of the names."""
    added: list[tuple[str, bytes]] = []
    if source.ip is not None:
        added.append(("ip", canonical_string(source.ip)))
    if links is not None:
        added.append(("links", links))
    if source.user_agent is not None:
        added.append(("userAgent", canonical_string(source.user_agent)))
    return sorted(sent + added)


def _sent(submission: Submission, words: Words, members: list[tuple[str, bytes]]) -> bytes:
    """Return what is compared when the key is seen again: what the client sent, without server defaults."""
    body = submission.body
    plain = (
        submission.uow_id,
        submission.span_id,
        submission.parent_span_id,
        submission.occurred_at,
        body.outcome,
        body.sequence_index,
        submission.corrects,
        *[word.id for word in words[:3] if word is not None],
    )
    return _encode(plain) + b"".join([name.encode() + b"\0" + value + b"\0" for name, value in members])


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


@lru_cache(maxsize=1024)
def _agent(sent: bytes) -> str:
    """Return a user agent as it can be stored; the same few clients send theirs over and over."""
    text = sent[:512].decode("utf-8", "replace")
    return "".join(letter for letter in text if letter != "\x00" and not "\ud800" <= letter <= "\udfff")
