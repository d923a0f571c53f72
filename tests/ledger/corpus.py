"""One corpus of good and bad requests for the posts that the hot dispatch takes before the framework.

A request is written against a `World`: the keys, tokens and ids of one server's workspaces. Their order matters:
later ones repeat keys of earlier ones.
"""

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

ONE, BATCH, QUEUE = "/api/interactions", "/api/interactions/batch", "/platform/queue/messages"
UOW = "0a1b2c3d-0000-4000-8000-00000000000a"
SPAN = "0a1b2c3d-0000-4000-8000-00000000000b"
PARENT = "0a1b2c3d-0000-4000-8000-00000000000c"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
JSON = {"content-type": "application/json"}
SMALL: dict[str, Any] = {"resourceId": "r-1", "resourceType": "USER", "action": "CREATE", "origin": "WEBAPP"}


@dataclass(frozen=True)
class World:
    """What requests of one server refer to."""

    key: str
    reader: str
    auditor: str
    revoked: str
    elsewhere: str
    strict: str
    queue: str
    rotated: str
    type_id: str
    action_id: str
    foreign_type_id: str
    recorded_id: str
    foreign_recorded_id: str


@dataclass(frozen=True)
class Request:
    """One request as it goes over the wire."""

    name: str
    path: str
    body: Callable[[World], bytes]
    headers: Callable[[World], dict[str, str]]
    method: str = "POST"
    parts: int = 1
    expect: int = 0
    also: dict[str, str] = field(default_factory=dict)


Body = bytes | dict[str, Any] | list[Any] | Callable[[World], Any]


def _bytes(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    return json.dumps(body, ensure_ascii=False).encode()


def ask(
    name: str,
    expect: int,
    body: Body = b"",
    /,
    path: str = ONE,
    headers: Any = None,
    key: str | None = "key",
    **also: Any,
) -> Request:
    """Write a request. ``key`` names the field of the world that is sent as the credential."""

    def made(world: World) -> bytes:
        return _bytes(body(world) if callable(body) else body)

    def heads(world: World) -> dict[str, str]:
        credential = {} if key is None else {"x-api-key": getattr(world, key)}
        if path.endswith(QUEUE) and key is not None:
            credential = {"authorization": f"Bearer {getattr(world, key)}"}
        given = headers(world) if callable(headers) else headers
        return {**credential, **JSON, **(given or {})}

    return Request(name, path, made, heads, expect=expect, **also)


def small(**more: Any) -> dict[str, Any]:
    return {**SMALL, **more}


def nested(depth: int) -> bytes:
    """Return an interaction whose whole body is ``depth`` containers deep."""
    inner = b"[" * (depth - 2) + b"]" * (depth - 2)
    return json.dumps(SMALL).encode()[:-1] + b',"interaction":{"a":' + inner + b"}}"


def member(raw: bytes) -> bytes:
    """Return an interaction with one more member, written by hand."""
    return json.dumps(SMALL).encode()[:-1] + b"," + raw + b"}"


def of_size(size: int) -> bytes:
    start = member(b'"interaction":{"a":"')[:-1]
    return start + b"x" * (size - len(start) - 3) + b'"}}'


def corpus() -> list[Request]:
    """Return the whole corpus, in the order in which it is to be sent."""
    return [*_callers(), *_content_types(), *_single(), *_headers(), *_hostile(), *_repeats(), *_batches(), *_queue()]


def _callers() -> Iterator[Request]:
    for path in (ONE, BATCH):
        at = path.rsplit("/", 1)[1]
        yield ask(f"{at}: no credential", 401, SMALL, path=path, key=None)
        yield ask(f"{at}: no credential and a bad body", 401, b"{", path=path, key=None)
        yield ask(f"{at}: a key of another form", 401, SMALL, path=path, key=None, headers={"x-api-key": "nonsense"})
        unknown = {"x-api-key": "pv_abcdefgh12345678_" + "a1B2" * 11}
        yield ask(f"{at}: an unknown key", 401, SMALL, path=path, key=None, headers=unknown)
        yield ask(f"{at}: a revoked key", 401, SMALL, path=path, key="revoked")
        yield ask(f"{at}: a key that reads", 403, SMALL, path=path, key="reader")
        yield ask(f"{at}: a key of another scope", 403, b"{", path=path, key="auditor")
        yield ask(f"{at}: a key as bearer", 401, SMALL, path=path, key=None, headers={"authorization": "Bearer x"})
    yield ask("a key with a byte outside ASCII", 401, SMALL, key=None, headers={"x-api-key": "pv_\u00e9"})
    yield ask(
        "another workspace's word", 400, lambda w: {**_without("resourceType"), "resourceTypeId": w.foreign_type_id}
    )
    yield ask("another workspace's interaction", 400, lambda w: small(corrects=w.foreign_recorded_id))
    yield ask("an id of its own workspace in another", 400, lambda w: small(corrects=w.recorded_id), key="elsewhere")


def _content_types() -> Iterator[Request]:
    kinds = {
        "application/json; charset=utf-8": (201, 201),
        "APPLICATION/JSON": (201, 201),
        "application/vnd.api+json": (201, 201),
        "text/plain": (400, 400),
        "application/x-www-form-urlencoded": (400, 400),
        "multipart/form-data; boundary=x": (400, 400),
        "": (400, 400),
        "application/x-ndjson": (400, 201),
    }
    for kind, (one, batch) in kinds.items():
        yield ask(f"content type {kind!r}", one, SMALL, headers={"content-type": kind})
        body: Body = json.dumps(SMALL).encode() if "ndjson" in kind else [SMALL]
        yield ask(f"batch content type {kind!r}", batch, body, path=BATCH, headers={"content-type": kind})


def _without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in SMALL.items() if name not in names}


def _single() -> Iterator[Request]:
    yield ask("a small one", 201, SMALL)
    yield ask("with everything", 201, lambda w: _everything(w.recorded_id))
    yield ask("words as ids", 201, lambda w: {**_without("resourceType"), "resourceTypeId": w.type_id})
    yield ask("word and id that match", 201, lambda w: small(resourceTypeId=w.type_id.upper(), resourceType="user"))
    yield ask("word and id that differ", 400, lambda w: small(resourceTypeId=w.type_id, resourceType="ORDER"))
    yield ask("an id of another kind", 400, lambda w: {**_without("action"), "actionId": w.type_id})
    yield ask("new words", 201, small(resourceType="Brand.New-1", action="DID_IT", origin="CRON"))
    yield ask("new words in another case", 201, small(resourceType="BRAND.NEW-1", action="did_it", origin="cron"))
    yield ask("a new word in a strict workspace", 400, SMALL, key="strict")
    yield ask("the reserved origin", 400, small(origin="Platform"))
    yield ask("no resource id", 400, _without("resourceId"))
    yield ask("no origin", 400, _without("origin"))
    yield ask("an empty resource id", 400, small(resourceId=""))
    yield ask("a resource id of 512", 201, small(resourceId="\u00e9" * 512))
    yield ask("a resource id of 513", 400, small(resourceId="x" * 513))
    yield ask("a bad mnemonic", 400, small(action="hello world"))
    yield ask("a mnemonic like an id", 400, small(action=UOW))
    yield ask("an interaction that is no object", 400, small(interaction=[1]))
    yield ask("a negative index", 400, small(sequenceIndex=-1))
    yield ask("an outcome that is none", 400, small(outcome="maybe"))
    yield ask("17 on whose behalf", 400, small(onBehalfOf=["u"] * 17))
    yield ask("65 related", 400, small(relatedResources=[{"resourceType": "A", "resourceId": "b"}] * 65))
    yield ask(
        "a related of another role",
        400,
        small(relatedResources=[{"resourceType": "A", "resourceId": "b", "role": "x"}]),
    )
    yield ask("a patch without a path", 400, small(changes=[{"op": "add"}]))
    yield ask("a correction of nothing", 400, small(corrects=UOW))
    yield ask("a correction that is no id", 400, small(corrects="7"))
    yield ask("an array", 400, [SMALL])
    yield ask("a number", 400, b"7")
    yield ask("null", 400, b"null")
    yield ask("gzip wanted", 201, small(interaction={"a": "x" * 5000}), headers={"accept-encoding": "gzip"})
    yield ask("double slashes", 201, SMALL, path="//api//interactions")
    yield ask("a query nobody reads", 201, SMALL, path=ONE + "?page=0")
    yield ask("a query with NUL", 201, SMALL, path=ONE + "?%00=%00")
    yield ask("in parts", 201, SMALL, parts=3)
    yield ask("put", 405, SMALL, method="PUT")
    yield ask("a trailing slash", 404, SMALL, path=ONE + "/")


def _everything(recorded: str) -> dict[str, Any]:
    return small(
        interaction={"email": "user@example.com", "\u00fc": [1.0, 1e21 / 1e6, None, True]},
        externalReference="pi_1",
        externalResponse=[{"z": 1, "a": 2}],
        userId="user-7",
        sequenceIndex=3,
        outcome="denied",
        onBehalfOf=["a", "b"],
        relatedResources=[{"resourceType": "ORDER", "resourceId": "o-1", "role": "used"}],
        changes=[{"op": "replace", "path": "/a", "value": {"b": 1}}],
        corrects=recorded,
    )


def _headers() -> Iterator[Request]:
    good = {
        "x-uowid": UOW.upper(),
        "x-userid": "user-\u00fc",
        "x-interaction-timestamp": "2026-01-31T12:00:00.123456789+02:00",
        "x-span-id": SPAN,
        "x-parent-span-id": PARENT,
        "traceparent": TRACE,
        "Idempotency-Key": "every header",
    }
    yield ask("every header", 201, small(userId="loses"), headers=good)
    for name, value in {**good, "x-span-id": PARENT, "Idempotency-Key": "alone"}.items():
        yield ask(f"header {name}", 201, SMALL, headers={name: value})
    for name in ("x-uowid", "x-span-id", "x-parent-span-id", "x-interaction-timestamp"):
        yield ask(f"bad header {name}", 400, SMALL, headers={name: "yesterday"})
    yield ask("a user header of 513", 400, SMALL, headers={"x-userid": "u" * 513})
    yield ask("a key header of 513", 400, SMALL, headers={"Idempotency-Key": "u" * 513})
    yield ask("a traceparent that is none", 201, SMALL, headers={"traceparent": "00-zz-zz-01"})
    yield ask("empty headers", 201, SMALL, headers={"x-uowid": "", "x-userid": "", "Idempotency-Key": ""})
    yield ask("a time without a zone", 400, SMALL, headers={"x-interaction-timestamp": "2026-01-31T12:00:00"})
    yield ask("a time beyond what fits", 400, SMALL, headers={"x-interaction-timestamp": "9999-01-01T00:00:00Z"})


def _hostile() -> Iterator[Request]:
    bad = {
        "not json": b"{",
        "empty": b"",
        "two texts": b"{}{}",
        "a byte order mark": b"\xef\xbb\xbf" + json.dumps(SMALL).encode(),
        "not utf-8": member(b'"interaction":{"a":"\xff"}'),
        "a key twice": member(b'"resourceId":"again"'),
        "a key twice, escaped": member(b'"interaction":{"a":1,"\\u0061":2}'),
        "nul": member(b'"interaction":{"a":"\\u0000"}'),
        "nul in the id": b'{"resourceId":"\\u0000","resourceType":"A","action":"B","origin":"C"}',
        "half a surrogate": member(b'"interaction":{"a":"\\ud800"}'),
        "infinity": member(b'"interaction":{"a":1e400}'),
        "an unsafe integer": member(b'"interaction":{"a":9007199254740993}'),
        "NaN": member(b'"interaction":{"a":NaN}'),
        "65 deep": nested(65),
    }
    for name, body in bad.items():
        yield ask(name, 400, body)
        yield ask(f"batch: {name}", 400, b"[" + body + b"]" if body else body, path=BATCH)
        yield ask(f"queue: {name}", 400, body, path=QUEUE, key="queue")
    yield ask("64 deep", 201, nested(64))
    yield ask("256 KiB", 201, of_size(256 * 1024))
    yield ask("a byte over", 413, of_size(256 * 1024 + 1))
    yield ask("a byte over, in parts", 413, of_size(256 * 1024 + 1), parts=7)
    yield ask("queue: a byte over", 413, of_size(256 * 1024 + 1), path=QUEUE, key="queue")


def _repeats() -> Iterator[Request]:
    once = {"Idempotency-Key": "k-1"}
    yield ask("first of a key", 201, small(interaction={"a": 1, "b": 2}), headers=once)
    yield ask("again", 200, small(interaction={"b": 2, "a": 1.0}), headers=once)
    yield ask("again with other content", 409, small(interaction={"a": 2}, userId="x"), headers=once)
    yield ask("again with a new word", 409, small(action="NEVER_MADE"), headers=once)
    spanned = {"x-span-id": "0a1b2c3d-0000-4000-8000-0000000000aa"}
    yield ask("first of a span", 201, SMALL, headers=spanned)
    yield ask("the span again", 200, SMALL, headers=spanned)
    yield ask("the span with other content", 409, small(resourceId="r-2"), headers=spanned)
    yield ask("the span under a key", 201, small(resourceId="r-2"), headers={**spanned, "Idempotency-Key": "k-2"})


def _batches() -> Iterator[Request]:
    def some(count: int, **more: Any) -> list[dict[str, Any]]:
        return [small(resourceId=f"b-{index}", **more) for index in range(count)]

    lines = b"\n".join(json.dumps(item).encode() for item in some(3))
    mixed = [*some(1), small(resourceId=""), *some(1), small(action="NEW_IN_BATCH"), small(origin="PLATFORM")]
    yield ask("a batch", 201, some(3), path=BATCH)
    yield ask("a batch as an object", 201, {"items": some(3)}, path=BATCH)
    yield ask("a batch as an object with more", 201, {"of": 1, "items": some(2)}, path=BATCH)
    yield ask("a batch of lines", 201, lines + b"\n\n", path=BATCH, headers={"content-type": "application/x-ndjson"})
    zipped = {"content-encoding": "gzip"}
    yield ask("a gzip batch", 201, gzip.compress(json.dumps(some(50)).encode(), mtime=0), path=BATCH, headers=zipped)
    yield ask("a gzip batch cut short", 400, gzip.compress(b"[]" * 99, mtime=0)[:-9], path=BATCH, headers=zipped)
    yield ask("a gzip batch that is none", 400, some(1), path=BATCH, headers=zipped)
    yield ask("a brotli batch", 400, some(1), path=BATCH, headers={"content-encoding": "br"})
    bomb = gzip.compress(b" " * (17 << 20), mtime=0)
    yield ask("a gzip bomb", 413, bomb, path=BATCH, headers=zipped)
    yield ask("an empty batch", 200, [], path=BATCH)
    yield ask("1,000 items", 201, some(1000), path=BATCH)
    yield ask("1,001 items", 400, some(1001), path=BATCH)
    yield ask("1,001 items, partial", 201, some(1001), path=BATCH + "?mode=partial")
    yield ask("10,001 items, partial", 400, [0] * 10_001, path=BATCH + "?mode=partial")
    yield ask("an unknown mode", 400, [], path=BATCH + "?mode=fast")
    yield ask("bad items", 400, mixed, path=BATCH)
    yield ask("bad items, partial", 200, mixed, path=BATCH + "?mode=partial")
    yield ask("items that are none", 400, [1, None, "x", []], path=BATCH)
    yield ask("no items", 400, {"items": 7}, path=BATCH)
    yield ask("an item over 256 KiB", 400, [json.loads(of_size(256 * 1024 + 1))], path=BATCH)
    yield ask("a body over 16 MiB", 413, b"[" + b" " * (16 << 20) + b"]", path=BATCH)
    yield ask("deep before it is items", 400, b"[" * 100_000, path=BATCH)
    keyed = {"Idempotency-Key": "batch-1"}
    yield ask("a keyed batch", 201, some(3, outcome="success"), path=BATCH, headers=keyed)
    yield ask("a keyed batch again", 200, some(3, outcome="success"), path=BATCH, headers=keyed)
    yield ask("a keyed batch, longer", 201, some(4, outcome="success"), path=BATCH, headers=keyed)
    yield ask("a keyed batch, changed", 409, some(3, outcome="failure"), path=BATCH, headers=keyed)
    yield ask("changed, partial", 200, some(3, outcome="failure"), path=BATCH + "?mode=partial", headers=keyed)
    yield ask("a batch key of 513", 400, some(1), path=BATCH, headers={"Idempotency-Key": "k" * 513})
    yield ask("a batch with double slashes", 201, some(2), path="/api//interactions//batch")
    yield ask("gzip wanted of a batch", 201, some(60), path=BATCH, headers={"accept-encoding": "gzip, br"})


def _queue() -> Iterator[Request]:
    nulls = dict.fromkeys(("x-uowid", "x-userid", "x-interaction-timestamp", "x-span-id", "x-parent-span-id"))
    full = {
        "x-uowid": UOW,
        "x-userid": "q-user",
        "x-interaction-timestamp": "2026-01-31T12:00:00.123456+00:00",
        "x-span-id": "0a1b2c3d-0000-4000-8000-0000000000bb",
        "x-parent-span-id": PARENT,
    }
    yield ask("a message", 201, small(_headers=full), path=QUEUE, key="queue")
    yield ask("the message again", 200, small(_headers=full), path=QUEUE, key="queue")
    yield ask("a message of nulls", 201, small(_headers=nulls), path=QUEUE, key="queue")
    yield ask("a message without headers", 201, SMALL, path=QUEUE, key="queue")
    yield ask("a message, double slashes", 201, SMALL, path="//platform/queue/messages", key="queue")
    yield ask(
        "a message with a bad time", 400, small(_headers={"x-interaction-timestamp": "no"}), path=QUEUE, key="queue"
    )
    yield ask("a message with headers that are none", 400, small(_headers=[]), path=QUEUE, key="queue")
    yield ask("a message without a token", 401, SMALL, path=QUEUE, key=None)
    yield ask("a message with an old token", 401, SMALL, path=QUEUE, key="rotated")
    yield ask("a message with a key", 401, SMALL, path=QUEUE, key="key")
    for name, forged in FORGERIES.items():

        def forgery(world: World, forged: Callable[[list[str]], list[str]] = forged) -> dict[str, str]:
            return {"authorization": "Bearer " + "_".join(forged(world.queue.split("_"))).strip()}

        yield ask(f"a message with {name}", 401, SMALL, path=QUEUE, key=None, headers=forgery)
    yield ask("a message as basic", 401, SMALL, path=QUEUE, key=None, headers={"authorization": "Basic eDp5"})
    yield ask("a message as nothing", 401, SMALL, path=QUEUE, key=None, headers={"authorization": "Bearer"})


FORGERIES: dict[str, Callable[[list[str]], list[str]]] = {
    "a token of no workspace": lambda parts: [parts[0], "0" * 26, *parts[2:]],
    "a token of another kind": lambda parts: ["pvx", *parts[1:]],
    "a generation that is no number": lambda parts: [*parts[:2], "\u00b2", parts[3]],
    "a generation in other digits": lambda parts: [*parts[:2], "\u0662", parts[3]],
    "an endless generation": lambda parts: [*parts[:2], "9" * 5000, parts[3]],
    "a generation to come": lambda parts: [*parts[:2], "3", parts[3]],
    "a changed signature": lambda parts: [*parts[:3], parts[3][:-1] + ("0" if parts[3][-1] != "0" else "1")],
    "a signature beyond ASCII": lambda parts: [*parts[:3], "\u00e9" * 48],
    "a part too many": lambda parts: [*parts, "0"],
    "a part too few": lambda parts: parts[:3],
}
