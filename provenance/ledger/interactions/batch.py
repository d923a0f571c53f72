"""Recording many interactions in one request: all or nothing, or item by item (``mode=partial``).

Preparing a thousand items takes tens of milliseconds, so it yields to the event loop every few items: single posts
that arrive meanwhile don't wait for the batch.
"""

import asyncio
import re
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec import Raw

from provenance.core.door import Answer, Exchange
from provenance.core.errors import Invalid, Problem, TooLarge
from provenance.core.routing import is_json
from provenance.ledger.entry import Entry, Verdict, seal
from provenance.ledger.errors import IdempotencyConflict
from provenance.ledger.interactions import reading, service
from provenance.ledger.interactions.errors import BatchRefused, BatchTooLarge
from provenance.ledger.interactions.reading import Submission
from provenance.ledger.interactions.schemas import BatchAnswer, BatchEnvelope, BatchResult
from provenance.ledger.interactions.service import Source
from provenance.ledger.service import Ledger

BATCH_BODY_LIMIT = 16 * 1024 * 1024
ITEM_LIMIT = 256 * 1024
WHOLE_ITEMS = 1_000
PARTIAL_ITEMS = 10_000
CHUNK = 250
_SLICE = 20
_NAMED_ISSUES = 100
_HEAD = re.compile(rb'\s*\{\s*"items"\s*:\s*')
_TAIL = re.compile(rb"\s*\}\s*\Z")
_encode = msgspec.json.Encoder().encode


class _Prepared(NamedTuple):
    at: int
    submission: Submission
    entry: Entry | None
    """None when it brings a new word: it takes the cold way."""


async def create_batch(ledger: Ledger, exchange: Exchange) -> Answer:
    """Record a batch; answer 201 when any item was created and none failed, else 200, with a result per item.

    Raises BatchTooLarge, BatchRefused, IdempotencyConflict (all or nothing), and what the lane raises.
    """
    items = read_items(exchange)
    partial = _is_partial(exchange.query)
    most = PARTIAL_ITEMS if partial else WHOLE_ITEMS
    if len(items) > most:
        raise BatchTooLarge(f"A batch has at most {most:,} items{'' if partial else '; mode=partial takes more'}.")
    batch_key = service.headers_of(exchange).idempotency_key
    source = service.source_of(exchange)
    results = await (_partial if partial else _whole)(ledger, source, items, batch_key)
    tally = {kind: sum(1 for result in results if result.status == kind) for kind in ("created", "duplicate", "failed")}
    answer = BatchAnswer(results, tally["created"], tally["duplicate"], tally["failed"])
    return Answer(201 if answer.created and not answer.failed else 200, _encode(answer))


def read_items(exchange: Exchange) -> Sequence[bytes | Raw]:
    """Split a body into its items, without judging them. Raises Invalid and TooLarge."""
    body = _unpacked(exchange)
    content_type = exchange.header(b"content-type")
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind in ("application/x-ndjson", "application/ndjson"):
        return [line for line in body.split(b"\n") if line.strip()]
    if not is_json(content_type):
        raise Invalid(
            "Send application/json (an array, or an object with items) or application/x-ndjson.",
            code="unsupported_content_type",
        )
    return _json_items(body)


def _json_items(body: bytes) -> list[Raw]:
    if body.lstrip()[:1] == b"{":
        head, tail = _HEAD.match(body), _TAIL.search(body)
        # A plain {"items": […]} is cut open; whatever else an object holds is admitted whole first.
        if head and tail:
            inner = body[head.end() : tail.start()]
            try:
                return msgspec.json.decode(inner, type=list[Raw])
            except (msgspec.DecodeError, UnicodeDecodeError):
                pass
        try:
            return msgspec.json.decode(reading.admitted(body), type=BatchEnvelope).items
        except msgspec.ValidationError:
            raise Invalid.at("items", "must be an array of interactions") from None
    try:
        return msgspec.json.decode(body, type=list[Raw])
    except (msgspec.DecodeError, UnicodeDecodeError):
        reading.admitted(body)  # names the place when the text is not JSON at all
        raise Invalid.at("$", "must be an array of interactions, or an object with items") from None


async def _whole(
    ledger: Ledger, source: Source, items: Sequence[bytes | Raw], batch_key: str | None
) -> list[BatchResult]:
    prepared, refused = await _prepare(ledger, source, items, 0, batch_key)
    if refused:
        raise _refusal(refused)
    if not prepared:
        return []
    if all(item.entry is not None for item in prepared):
        entries = [item.entry for item in prepared if item.entry is not None]
        verdicts = await ledger.lane.many(entries, all_or_nothing=True)
        judged = list(zip(verdicts, entries, strict=True))
    else:
        judged = await _cold(ledger, source, prepared)
    conflicts = [item.at for item, (verdict, _) in zip(prepared, judged, strict=True) if verdict.conflicts]
    if conflicts:
        raise IdempotencyConflict([f"[{index}]" for index in conflicts[:_NAMED_ISSUES]])
    return [_result(item.at, verdict) for item, (verdict, _) in zip(prepared, judged, strict=True)]


async def _partial(
    ledger: Ledger, source: Source, items: Sequence[bytes | Raw], batch_key: str | None
) -> list[BatchResult]:
    results: list[BatchResult] = []
    for start in range(0, len(items), CHUNK):
        chunk = items[start : start + CHUNK]
        prepared, refused = await _prepare(ledger, source, chunk, start, batch_key)
        results += [_failed(index, problem) for index, problem in refused]
        warm = [item for item in prepared if item.entry is not None]
        if warm:
            entries = [item.entry for item in warm if item.entry is not None]
            verdicts = await ledger.lane.many(entries, all_or_nothing=False)
            results += [_result(item.at, verdict) for item, verdict in zip(warm, verdicts, strict=True)]
        results += await _cold_one_by_one(ledger, source, [item for item in prepared if item.entry is None])
    return sorted(results, key=lambda result: result.index)


async def _cold_one_by_one(ledger: Ledger, source: Source, items: list[_Prepared]) -> list[BatchResult]:
    """Record items with new words: together when none conflicts, else each on its own."""
    if not items:
        return []
    if len(items) > 1:
        try:
            judged = await _cold(ledger, source, items)
        except Problem as problem:
            if problem.status >= 500:
                raise
        else:
            if not any(verdict.conflicts for verdict, _ in judged):
                return [_result(item.at, verdict) for item, (verdict, _) in zip(items, judged, strict=True)]
    results = []
    for item in items:
        try:
            [(verdict, _)] = await _cold(ledger, source, [item])
            results.append(_result(item.at, verdict))
        except Invalid as problem:
            results.append(_failed(item.at, problem))
    return results


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
    catalogue = await ledger.catalogues.of(workspace_id)
    keys = await ledger.keyring.of(workspace_id)
    prepared: list[_Prepared] = []
    refused: list[tuple[int, Invalid]] = []
    for index, item in enumerate(items, start):
        if index % _SLICE == 0:
            await asyncio.sleep(0)
        at = f"[{index}]."
        try:
            submission = _read_item(item, at, None if batch_key is None else f"{batch_key}#{index}")
            words = reading.resolve(submission.body, catalogue, at=at)
        except Invalid as problem:
            refused.append((index, problem))
            continue
        entry = seal(service.draft_of(source, submission, words, catalogue), keys) if words.settled else None
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
    first = refused[0][1]
    details = [detail for _, problem in refused[:_NAMED_ISSUES] for detail in problem.details]
    more = f" and {len(refused) - 1:,} more" if len(refused) > 1 else ""
    return BatchRefused(f"{first.detail}{more}. Nothing of the batch was stored.", details=details)


def _result(index: int, verdict: Verdict) -> BatchResult:
    if verdict.conflicts:
        return _failed(index, IdempotencyConflict([f"[{index}]"]))
    return BatchResult(index, "created" if verdict.created else "duplicate", verdict.id)


def _failed(index: int, problem: Problem) -> BatchResult:
    error = {"code": problem.code, "detail": problem.detail, "details": problem.details}
    return BatchResult(index, "failed", None, error)


def _is_partial(query: bytes) -> bool:
    modes = [part[5:] for part in query.split(b"&") if part.startswith(b"mode=")]
    if any(mode not in (b"partial", b"atomic") for mode in modes):
        raise Invalid.at("mode", "is partial, or atomic (the default)")
    return b"partial" in modes


def _unpacked(exchange: Exchange) -> bytes:
    encoding = (exchange.header(b"content-encoding") or "identity").strip().lower()
    if encoding == "identity":
        return exchange.body
    if encoding != "gzip":
        raise Invalid.at("Content-Encoding", "is gzip or identity", code="unsupported_encoding")
    inflate = zlib.decompressobj(wbits=31)
    try:
        body = inflate.decompress(exchange.body, BATCH_BODY_LIMIT + 1)
    except zlib.error:
        raise Invalid("The body is no gzip stream.", code="bad_gzip") from None
    if len(body) > BATCH_BODY_LIMIT:
        raise TooLarge(f"The unpacked body is over {BATCH_BODY_LIMIT // 1024} KiB.")
    if not inflate.eof or inflate.unused_data:
        raise Invalid("The body is no complete gzip stream.", code="bad_gzip")
    return body
