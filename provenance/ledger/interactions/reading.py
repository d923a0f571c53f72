"""From bytes and headers to a checked submission: everything that can be wrong with it is said here.

Shared by the single post, the batch and the queue. Nothing touches the database; the words are resolved against
the cached catalogue, and what is missing from it is left to the service.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from provenance.core.clock import parse_iso
from provenance.core.errors import Invalid
from provenance.ledger.catalogue.cache import KINDS, Catalogue, Kind, Word
from provenance.ledger.catalogue.naming import mnemonic_issue
from provenance.ledger.errors import UnknownMnemonic
from provenance.ledger.interactions.schemas import InteractionCreate, PatchOperation, absent
from provenance.proof.canonical import BadJson
from provenance.proof.canonical import admit as admit_json

_decode = msgspec.json.Decoder(InteractionCreate).decode
_decode_patch = msgspec.json.Decoder(list[PatchOperation]).decode
_AT = re.compile(r" - at `\$\.?(.*)`$")
_MISSING = re.compile(r"missing required field `(\w+)`")
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?", re.ASCII
)
"""W3C trace context; what the standard calls invalid is ignored, as it asks for."""
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_NEEDS_VALUE = ("add", "replace", "test")
_PLATFORM = "platform"


class Headers(NamedTuple):
    """What the headers of a single post say; a batch item says it in its body."""

    uow_id: str | None = None
    user_id: str | None = None
    timestamp: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    idempotency_key: str | None = None
    traceparent: str | None = None


NO_HEADERS = Headers()


class Submission(NamedTuple):
    """A checked submission, its words not resolved yet. Ids are in lower case, times in nanoseconds."""

    body: InteractionCreate
    user_id: str | None
    uow_id: str | None
    span_id: str | None
    parent_span_id: str | None
    occurred_at: int | None
    idempotency_key: str | None
    trace: tuple[str, str] | None
    corrects: str | None


class Words(NamedTuple):
    """The resolved words of a submission, or the names that the catalogue does not have yet.

    ``settled``: every word exists and is marked used, so nothing has to be written but the entry.
    """

    resource_type: Word | None
    action: Word | None
    origin: Word | None
    missing: tuple[tuple[Kind, str], ...]
    ids: tuple[str, ...]
    settled: bool


def read(canonical: bytes, headers: Headers = NO_HEADERS, *, at: str = "") -> Submission:
    """Check one interaction in canonical JSON. ``at`` is the prefix of the paths in errors, such as ``[3].``.

    Raises Invalid, naming the path.
    """
    try:
        body = _decode(canonical)
    except msgspec.ValidationError as error:
        raise _invalid(error, at) from None
    if body.headers is not None:
        carried = body.headers
        headers = Headers(
            headers.uow_id or carried.uow_id,
            headers.user_id or carried.user_id,
            headers.timestamp or carried.timestamp,
            headers.span_id or carried.span_id,
            headers.parent_span_id or carried.parent_span_id,
            headers.idempotency_key,
            headers.traceparent,
        )
    _check_members(body, at)
    trace = None if headers.traceparent is None else _TRACEPARENT.fullmatch(headers.traceparent.strip().lower())
    return Submission(
        body,
        _short(headers.user_id, at, "x-userid") or body.user_id,
        _uuid(headers.uow_id, at, "x-uowid") or _uuid(body.uow_id, at, "uowId"),
        _uuid(headers.span_id, at, "x-span-id") or _uuid(body.span_id, at, "spanId"),
        _uuid(headers.parent_span_id, at, "x-parent-span-id") or _uuid(body.parent_span_id, at, "parentSpanId"),
        _time(headers.timestamp, at, "x-interaction-timestamp")
        if headers.timestamp is not None
        else _time(body.timestamp, at, "timestamp"),
        _short(headers.idempotency_key, at, "Idempotency-Key") or body.idempotency_key,
        None if trace is None else (trace.group(1), trace.group(2)),
        _uuid(body.corrects, at, "corrects"),
    )


def resolve(body: InteractionCreate, catalogue: Catalogue, *, at: str = "") -> Words:
    """Find the words that a submission names.

    What is settled is kept with the catalogue: the same few words come together over and over.
    Raises Invalid for a word given by neither name nor id, an unknown id, two that differ, a bad or reserved name.
    """
    given = (
        (body.resource_type, body.resource_type_id),
        (body.action, body.action_id),
        (body.origin, body.origin_id),
    )
    words: Words | None = catalogue.settled.get(given)
    if words is None:
        words = _resolve(given, catalogue, at)
        if words.settled:
            catalogue.keep(given, words)
    return words


def _resolve(given: Iterable[tuple[str | None, str | None]], catalogue: Catalogue, at: str) -> Words:
    found: list[Word | None] = []
    missing: list[tuple[Kind, str]] = []
    for kind, (name, word_id) in zip(KINDS, given, strict=True):
        word = _word(catalogue, kind, name, word_id, at)
        found.append(word)
        if word is None:
            assert name is not None
            missing.append((kind, name))
    origin = found[2]
    if (origin.mnemonic if origin else missing[-1][1]).lower() == _PLATFORM:
        raise Invalid.at(at + "origin", "PLATFORM is reserved for the platform's own events", code="reserved_origin")
    known = [word for word in found if word is not None]
    settled = not missing and all(word.used for word in known)
    return Words(found[0], found[1], origin, tuple(missing), tuple(word.id for word in known), settled)


def refuse_unknown(words: Words, catalogue: Catalogue, *, at: str = "") -> None:
    """Refuse missing words where the workspace takes only those of its catalogue."""
    if words.missing and catalogue.strict:
        kind, name = words.missing[0]
        raise UnknownMnemonic.at(at + kind.value, f"{name} is not in the catalogue, and this workspace is strict")


def checked_key(headers: Headers) -> str | None:
    """Return the Idempotency-Key of a whole batch. Raises Invalid when it is none."""
    return _short(headers.idempotency_key, "", "Idempotency-Key")


def admitted(data: bytes, *, at: str = "") -> bytes:
    """Return the canonical form of a JSON text. Raises Invalid, naming the path."""
    try:
        return admit_json(data)
    except BadJson as error:
        place = at.removesuffix(".") if error.path == "$" and at else at + error.path
        raise Invalid.at(place, error.issue, code=error.code) from None


def _word(catalogue: Catalogue, kind: Kind, name: str | None, word_id: str | None, at: str) -> Word | None:
    if word_id is not None:
        word = catalogue.with_id(word_id.lower())
        if word is None or word.kind is not kind:
            raise Invalid.at(f"{at}{kind}Id", "is no id of the catalogue", code="unknown_id")
        if name is not None and catalogue.named(kind, name) is not word:
            raise Invalid.at(f"{at}{kind}", f"is not the word that {kind}Id names", code="mnemonic_mismatch")
        return word
    if name is None:
        raise Invalid.at(f"{at}{kind}", f"is missing: send {kind} or {kind}Id", code="missing_field")
    word = catalogue.named(kind, name)
    if word is None:
        issue = mnemonic_issue(name)
        if issue is not None:
            raise Invalid.at(f"{at}{kind}", issue, code="bad_mnemonic")
    return word


def _check_members(body: InteractionCreate, at: str) -> None:
    interaction = bytes(body.interaction)
    if interaction[:1] != b"{" and interaction != b"null":
        raise Invalid.at(at + "interaction", "must be a JSON object")
    if bytes(body.changes) != b"null":
        try:
            operations = _decode_patch(body.changes)
        except msgspec.ValidationError as error:
            raise _invalid(error, at + "changes") from None
        for index, operation in enumerate(operations):
            _check_operation(operation, f"{at}changes[{index}]")
    for index, related in enumerate(body.related_resources or ()):
        issue = mnemonic_issue(related.resource_type)
        if issue is not None:
            raise Invalid.at(f"{at}relatedResources[{index}].resourceType", issue, code="bad_mnemonic")


def _check_operation(operation: PatchOperation, at: str) -> None:
    if operation.op in ("move", "copy") and operation.from_ is None:
        raise Invalid.at(at + ".from", f"is missing: {operation.op} needs it")
    if operation.op in _NEEDS_VALUE and operation.value is absent():
        raise Invalid.at(at + ".value", f"is missing: {operation.op} needs it")


def _uuid(text: str | None, at: str, name: str) -> str | None:
    if text is None:
        return None
    if _UUID.fullmatch(text) is None:
        raise Invalid.at(at + name, "must be a UUID such as 3f2b8c1e-1111-4222-8333-444455556666")
    return text.lower()


def _time(text: str | None, at: str, name: str) -> int | None:
    if text is None:
        return None
    try:
        return parse_iso(text)
    except ValueError as error:
        raise Invalid.at(at + name, str(error)) from None


def _short(text: str | None, at: str, name: str) -> str | None:
    if text is None:
        return None
    if not 1 <= len(text) <= 512:
        raise Invalid.at(at + name, "must have 1 to 512 characters")
    if "\x00" in text or (not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)):
        raise Invalid.at(at + name, "holds a character that can't be stored")
    return text


def _invalid(error: msgspec.ValidationError, at: str) -> Invalid:
    text = str(error)
    place = _AT.search(text)
    path = place.group(1) if place else ""
    text = _AT.sub("", text)
    missing = _MISSING.search(text)
    if missing:
        path = f"{path}.{missing.group(1)}" if path else missing.group(1)
        return Invalid.at(at + path, "is missing", code="missing_field")
    text = text[:1].lower() + text[1:]
    return Invalid.at((at + path).rstrip(".") or "$", text.replace("`", ""))
