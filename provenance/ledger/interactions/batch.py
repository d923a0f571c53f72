"""Recording many interactions in one request: all or nothing, or item by item (``mode=partial``).

Preparing a thousand items takes tens of milliseconds, so it yields to the event loop every few items: single posts
that arrive meanwhile don't wait for the batch.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec import Raw

from provenance.core.door import Answer, Exchange
from provenance.core.errors import Invalid, Problem
from provenance.ledger.entry import Entry, Verdict, seal
from provenance.ledger.errors import IdempotencyConflict
from provenance.ledger.interactions import reading, service
from provenance.ledger.interactions.composing import Source, draft_of, headers_of, source_of
from provenance.ledger.interactions.errors import BatchRefused
from provenance.ledger.interactions.reading import Submission
from provenance.ledger.interactions.schemas import BatchAnswer, BatchResult
from provenance.ledger.interactions.splitting import BATCH_BODY_LIMIT, split
from provenance.ledger.interactions.vocabulary import Vocabulary
from provenance.ledger.service import Ledger

ITEM_LIMIT = 256 * 1024
CHUNK = 250
_SLICE = 10
_NAMED_ISSUES = 100
__all__ = ["BATCH_BODY_LIMIT", "create_batch"]

_encode = msgspec.json.Encoder().encode


class _Prepared(NamedTuple):
    """One item that is in order."""

    at: int
    submission: Submission
    entry: Entry | None
    """None when it brings a new word: it takes the cold way."""


_Judged = tuple[_Prepared, Verdict, Entry]


async def create_batch(ledger: Ledger, exchange: Exchange) -> Answer:
    """Record a batch; answer 201 when any item was created and none failed, else 200, with a result per item.

    Raises BatchTooLarge, BatchRefused, IdempotencyConflict (all or nothing), and what the lane raises.
    """
    partial = _is_partial(exchange.query)
    items = split(exchange, partial=partial)
    batch_key = reading.checked_key(headers_of(exchange))
    source = source_of(exchange)
    results = await (_partial if partial else _whole)(ledger, source, items, batch_key)
    tally = {kind: sum(1 for result in results if result.status == kind) for kind in ("created", "duplicate", "failed")}
    answer = BatchAnswer(results, tally["created"], tally["duplicate"], tally["failed"])
    return Answer(201 if answer.created and not answer.failed else 200, _encode(answer))


async def _whole(
    ledger: Ledger, source: Source, items: Sequence[bytes | Raw], batch_key: str | None
) -> list[BatchResult]:
    prepared, refused = await _prepare(ledger, source, items, 0, batch_key)
    if refused:
        raise _refusal(refused)
    if not prepared:
        return []
    judged = await _judge(ledger, source, prepared, whole=True)
    conflicts = await _conflicts(ledger, source, judged)
    if conflicts:
        raise IdempotencyConflict(path for paths in conflicts.values() for path in paths)
    return [_result(item.at, verdict) for item, verdict, _ in judged]


async def _partial(
    ledger: Ledger, source: Source, items: Sequence[bytes | Raw], batch_key: str | None
) -> list[BatchResult]:
    results: list[BatchResult] = []
    for start in range(0, len(items), CHUNK):
        chunk = items[start : start + CHUNK]
        prepared, refused = await _prepare(ledger, source, chunk, start, batch_key)
        results += [_failed(index, problem) for index, problem in refused]
        if prepared:
            results += await _settle(ledger, source, prepared)
    return sorted(results, key=lambda result: result.index)


async def _settle(ledger: Ledger, source: Source, items: list[_Prepared]) -> list[BatchResult]:
    """Record what can be recorded of a chunk, in its order, and say of each item what became of it."""
    try:
        judged = await _judge(ledger, source, items, whole=False)
    except Invalid as problem:
        if len(items) == 1:
            return [_failed(items[0].at, problem)]
        return [result for item in items for result in await _settle(ledger, source, [item])]
    conflicts = await _conflicts(ledger, source, judged)
    results = [_failed(at, IdempotencyConflict(paths)) for at, paths in conflicts.items()]
    good = [(item, verdict) for item, verdict, _ in judged if item.at not in conflicts]
    if conflicts and good and not _is_warm(items):
        # The cold way undoes everything at a conflict, words included: again without what conflicted.
        return results + await _settle(ledger, source, [item for item, _ in good])
    return results + [_result(item.at, verdict) for item, verdict in good]


def _is_warm(items: list[_Prepared]) -> bool:
    return all(item.entry is not None for item in items)


async def _judge(ledger: Ledger, source: Source, items: list[_Prepared], *, whole: bool) -> list[_Judged]:
    """Append items: through the lane, or together in one transaction when one of them brings a new word."""
    if _is_warm(items):
        entries = [item.entry for item in items if item.entry is not None]
        verdicts = await ledger.lane.many(entries, all_or_nothing=whole)
        return list(zip(items, verdicts, entries, strict=True))
    judged = await _cold(ledger, source, items)
    return [(item, verdict, entry) for item, (verdict, entry) in zip(items, judged, strict=True)]


async def _conflicts(ledger: Ledger, source: Source, judged: list[_Judged]) -> dict[int, list[str]]:
    """Name the fields in which repeats differ from the first of their key, in this batch or in the ledger."""
    conflicting = [each for each in judged if each[1].conflicts]
    if not conflicting:
        return {}
    here = {entry.key: entry.columns for _, verdict, entry in judged if verdict.created}
    numbers = [verdict.number for _, verdict, entry in conflicting[:_NAMED_ISSUES] if entry.key not in here]
    async with ledger.db.read(source.actor) as tx:
        recorded = await service.rows_of(tx, numbers)
    found: dict[int, list[str]] = {}
    for item, verdict, entry in conflicting:
        first = here.get(entry.key) or recorded.get(verdict.number)
        fields = service.differing(entry.columns, item.submission, first) if first else []
        found[item.at] = [f"[{item.at}].{field}" for field in fields] or [f"[{item.at}]"]
    return found


async def _cold(ledger: Ledger, source: Source, items: list[_Prepared]) -> list[tuple[Verdict, Entry]]:
    judged, _ = await service.record_cold(
        ledger,
        source,
        [item.submission for item in items],
        whole=True,
        at=[f"[{item.at}]." for item in items],
    )
    return judged


async def _prepare(
    ledger: Ledger, source: Source, items: Sequence[bytes | Raw], start: int, batch_key: str | None
) -> tuple[list[_Prepared], list[tuple[int, Invalid]]]:
    workspace_id = source.actor.workspace_id
    vocabulary = await Vocabulary.of(ledger, workspace_id)
    keys = await ledger.keyring.of(workspace_id)
    prepared: list[_Prepared] = []
    refused: list[tuple[int, Invalid]] = []
    for index, item in enumerate(items, start):
        if index % _SLICE == 0:
            await asyncio.sleep(0)
        at = f"[{index}]."
        try:
            submission = _read_item(item, at, None if batch_key is None else f"{batch_key}#{index}")
            words = await vocabulary.resolve(submission.body, at=at)
        except Invalid as problem:
            refused.append((index, problem))
            continue
        entry = seal(draft_of(source, submission, words, vocabulary.catalogue), keys) if words.settled else None
        prepared.append(_Prepared(index, submission, entry))
    return await _with_known_corrections(ledger, source, prepared, refused)


async def _with_known_corrections(
    ledger: Ledger, source: Source, prepared: list[_Prepared], refused: list[tuple[int, Invalid]]
) -> tuple[list[_Prepared], list[tuple[int, Invalid]]]:
    """Refuse the items that correct something this workspace never recorded."""
    wanted = {item.submission.corrects for item in prepared if item.submission.corrects is not None}
    if not wanted:
        return prepared, refused
    unknown = wanted - await service.known_ids(ledger, source.actor, wanted)
    for item in prepared:
        if item.submission.corrects in unknown:
            refused.append((item.at, service.unknown_correction(f"[{item.at}].")))
    return [item for item in prepared if item.submission.corrects not in unknown], refused


def _read_item(item: bytes | Raw, at: str, batch_key: str | None) -> Submission:
    data = bytes(item)
    if len(data) > ITEM_LIMIT:
        raise Invalid.at(at.removesuffix("."), "is over 256 KiB", code="item_too_large")
    submission = reading.read(reading.admitted(data, at=at), at=at)
    if batch_key is not None and submission.idempotency_key is None:
        return submission._replace(idempotency_key=batch_key)
    return submission


def _refusal(refused: list[tuple[int, Invalid]]) -> BatchRefused:
    refused = sorted(refused, key=lambda pair: pair[0])
    first = refused[0][1]
    details = [detail for _, problem in refused[:_NAMED_ISSUES] for detail in problem.details]
    more = f" and {len(refused) - 1:,} more" if len(refused) > 1 else ""
    return BatchRefused(f"{first.detail}{more}. Nothing of the batch was stored.", details=details)


def _result(index: int, verdict: Verdict) -> BatchResult:
    return BatchResult(index, "created" if verdict.created else "duplicate", verdict.id)


def _failed(index: int, problem: Problem) -> BatchResult:
    error = {
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
        "details": problem.details,
    }
    return BatchResult(index, "failed", None, error)


def _is_partial(query: bytes) -> bool:
    modes = [part[5:] for part in query.split(b"&") if part.startswith(b"mode=")]
    if any(mode not in (b"partial", b"atomic") for mode in modes):
        raise Invalid.at("mode", "is partial, or atomic (the default)")
    return b"partial" in modes
