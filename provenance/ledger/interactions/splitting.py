"""From the body of a batch to the texts of its items, which nobody has judged yet.

A hostile body may hold millions of tiny items, packed into a few kilobytes; none of the ways through here takes more
memory than a small multiple of the unpacked body.
"""

import re
import zlib
from collections.abc import Sequence

import msgspec
from msgspec import Raw

from provenance.core.door import Exchange
from provenance.core.errors import Invalid, TooLarge
from provenance.core.routing import is_json
from provenance.ledger.interactions import reading
from provenance.ledger.interactions.errors import BatchTooLarge
from provenance.ledger.interactions.schemas import BatchEnvelope

BATCH_BODY_LIMIT = 16 * 1024 * 1024
WHOLE_ITEMS = 1_000
PARTIAL_ITEMS = 10_000
_HEAD = re.compile(rb'\s*\{\s*"items"\s*:\s*')
_BLANK = b" \t\r\n"
_LINE = re.compile(rb"[^ \t\r\n][^\n]*")
_MANY_COMMAS = 250_000
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Object(msgspec.Struct, gc=False):
    """Any object, at a fifth of the memory that its text would take."""


def split(exchange: Exchange, *, partial: bool) -> Sequence[bytes | Raw]:
    """Split a body into its items, without judging them.

    Raises Invalid, TooLarge, and BatchTooLarge for more items than the mode takes.
    """
    body = _unpacked(exchange)
    content_type = exchange.header(b"content-type")
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind in ("application/x-ndjson", "application/ndjson"):
        items = _lines(body)
    elif is_json(content_type):
        items = _json_items(body)
    else:
        raise Invalid(
            "Send application/json (an array, or an object with items) or application/x-ndjson.",
            code="unsupported_content_type",
        )
    most = PARTIAL_ITEMS if partial else WHOLE_ITEMS
    if len(items) > most:
        raise BatchTooLarge(f"A batch has at most {most:,} items{'' if partial else '; mode=partial takes more'}.")
    return items


def _lines(body: bytes) -> Sequence[bytes | Raw]:
    found: list[bytes | Raw] = []
    for line in _LINE.finditer(body):
        found.append(line[0])
        if len(found) > PARTIAL_ITEMS:
            break
    return found


def _json_items(body: bytes) -> Sequence[bytes | Raw]:
    if body.lstrip()[:1] == b"{":
        head, tail = _HEAD.match(body), body.rfind(b"}")
        # A plain {"items": […]} is cut open; whatever else an object holds is admitted whole first.
        if head and not body[tail + 1 :].strip(_BLANK):
            try:
                return _cut(body[head.end() : tail])
            except _UNREADABLE:
                pass
        try:
            return msgspec.json.decode(reading.admitted(body), type=BatchEnvelope).items
        except msgspec.ValidationError:
            raise Invalid.at("items", "must be an array of interactions") from None
    try:
        return _cut(body)
    except msgspec.ValidationError:
        pass
    except _UNREADABLE:
        reading.admitted(body)  # names the place
    raise Invalid.at("$", "must be an array of interactions, or an object with items")


def _cut(array: bytes) -> list[Raw]:
    """Cut an array into its items. Raises what `_UNREADABLE` names, and BatchTooLarge."""
    if array.count(b",") > _MANY_COMMAS:
        # Counted before they are cut out: the texts of eight million items would fill 700 MB.
        many = msgspec.json.decode(array, type=list[_Object])
        if len(many) > PARTIAL_ITEMS:
            raise BatchTooLarge(f"A batch has at most {PARTIAL_ITEMS:,} items.")
    return msgspec.json.decode(array, type=list[Raw])


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
