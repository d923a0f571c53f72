"""From a checked submission to the draft of an entry: what is stored, and what a repeat is held against.

Every post comes through here, so the members of its content are written once, each where it stands in canonical
order, and what is the same for many posts (the words, the sender) is written beforehand.
"""

import uuid
from functools import lru_cache
from typing import NamedTuple

import msgspec

from provenance.core.actor import Actor
from provenance.core.door import Exchange
from provenance.core.ids import new_uuid_text
from provenance.ledger.catalogue.cache import Catalogue
from provenance.ledger.entry import Draft
from provenance.ledger.interactions.reading import NO_HEADERS, Headers, Submission, Words
from provenance.ledger.interactions.schemas import InteractionCreate, absent
from provenance.proof.canonical import canonical_string

_encode = msgspec.json.Encoder().encode
_NULL = absent()
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
_AGENT_KEPT = 512


class Source(NamedTuple):
    """Where a submission came from: the caller, and the address and program as they stand in the content.

    ``ip`` is ``"ip":"…",`` and ``agent`` is ``,"userAgent":"…"``; nothing where it is not known.
    """

    actor: Actor
    ip: bytes
    agent: bytes


def source_of(exchange: Exchange) -> Source:
    """Return the source of an exchange whose caller was admitted."""
    assert exchange.actor is not None
    return Source(exchange.actor, _ip(exchange.client_ip), _agent(exchange.headers.get(b"user-agent")))


def headers_of(exchange: Exchange) -> Headers:
    """Return the headers of section 2."""
    sent = exchange.headers
    if _HEADER_NAMES.isdisjoint(sent):
        return NO_HEADERS
    return Headers(*[exchange.header(name) or None if name in sent else None for name in _HEADERS])


def draft_of(source: Source, submission: Submission, words: Words, catalogue: Catalogue) -> Draft:
    """Make the draft of a submission whose words are resolved."""
    body = submission.body
    assert words.resource_type is not None
    assert words.action is not None
    assert words.origin is not None
    uow_id, links = submission.uow_id, b""
    if submission.trace is not None:
        trace_id, parent_id = submission.trace
        if uow_id is None:
            uow_id = str(uuid.UUID(trace_id))
        else:
            links = f'"links":[{{"spanId":"{parent_id}","traceId":"{trace_id}"}}],'.encode()
    repeat_key = None
    if submission.idempotency_key is not None:
        repeat_key = b"key\0" + submission.idempotency_key.encode()
    elif submission.span_id is not None:
        repeat_key = b"span\0" + submission.span_id.encode()
    content, compared = _content(submission, source, links)
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
        content=content,
        related=[related.resource_id for related in body.related_resources] if body.related_resources else [],
        repeat_key=repeat_key,
        sent=b"" if repeat_key is None else _compared(submission, words) + compared,
    )


def _content(submission: Submission, source: Source, links: bytes) -> tuple[bytes, bytes]:
    """Return the content of an entry, and what of it the client sent: name, NUL, value, NUL of each member.

    Members without a value are left out of both.
    """
    body = submission.body
    before, between = ([], []) if _is_plain(body) else _seldom(body)
    own, compared = b"", [*before]
    if (interaction := bytes(body.interaction)) != b"null":
        own = b'"interaction":%b,' % interaction
        compared += (b"interaction", interaction)
    resource, user = canonical_string(body.resource_id), b""
    compared += (*between, b"resourceId", resource)
    if submission.user_id is not None:
        user_id = canonical_string(submission.user_id)
        user = b',"userId":' + user_id
        compared += (b"userId", user_id)
    content = b'{%b%b%b%b%b"resourceId":%b%b%b}' % (
        _members(before) if before else b"",
        own,
        source.ip,
        links,
        _members(between) if between else b"",
        resource,
        source.agent,
        user,
    )
    return content, b"\0".join(compared) + b"\0"


def _is_plain(body: InteractionCreate) -> bool:
    """Tell whether a body has none of the members that `_seldom` looks for."""
    return (
        body.changes is _NULL
        and body.external_response is _NULL
        and body.external_reference is None
        and not body.on_behalf_of
        and not body.related_resources
    )


def _seldom(body: InteractionCreate) -> tuple[list[bytes], list[bytes]]:
    """Return names and values of the members that few posts have: those before, and those after the interaction."""
    before: list[bytes] = []
    if (changes := bytes(body.changes)) != b"null":
        before += (b"changes", changes)
    if body.external_reference is not None:
        before += (b"externalReference", canonical_string(body.external_reference))
    if (response := bytes(body.external_response)) != b"null":
        before += (b"externalResponse", response)
    between: list[bytes] = []
    if body.on_behalf_of:
        between += (b"onBehalfOf", _encode(body.on_behalf_of))
    if body.related_resources:
        between += (b"relatedResources", _encode(body.related_resources))
    return before, between


def _members(flat: list[bytes]) -> bytes:
    """Write names and values as members, a comma after each."""
    return b"".join([b'"%b":%b,' % pair for pair in zip(flat[::2], flat[1::2], strict=True)])


def _compared(submission: Submission, words: Words) -> bytes:
    """Return what of a submission is compared beside its content, without server defaults."""
    body = submission.body
    return _encode(
        (
            submission.uow_id,
            submission.span_id,
            submission.parent_span_id,
            submission.occurred_at,
            body.outcome,
            body.sequence_index,
            submission.corrects,
            *words.ids,
        )
    )


@lru_cache(maxsize=1024)
def _ip(address: str | None) -> bytes:
    return b"" if address is None else b'"ip":%b,' % canonical_string(address)


@lru_cache(maxsize=1024)
def _agent(sent: bytes | None) -> bytes:
    """Return a user agent as it can be stored; the same few clients send theirs over and over."""
    if sent is None:
        return b""
    text = sent[:_AGENT_KEPT].decode("utf-8", "replace")
    kept = "".join(letter for letter in text if letter != "\x00" and not "\ud800" <= letter <= "\udfff")
    return b',"userAgent":%b' % canonical_string(kept)
