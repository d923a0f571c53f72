"""Interactions that hypothesis makes up: good ones with every field, and texts made to break a reader of JSON."""

import json
from typing import Any

from hypothesis import strategies as st

SAFE = 2**53 - 1
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
identifiers = texts.filter(bool)
mnemonics = st.from_regex(r"[A-Za-z0-9_.\-]{1,8}", fullmatch=True).filter(lambda text: text.lower() != "platform")
uuids = st.uuids().map(str)
times = st.builds(
    "{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}.{:09d}{}".format,
    st.integers(1970, 2261),
    st.integers(1, 12),
    st.integers(1, 28),
    st.integers(0, 23),
    st.integers(0, 59),
    st.integers(0, 59),
    st.integers(0, 999_999_999),
    st.just("Z"),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-SAFE, SAFE) | st.floats(-SAFE, SAFE) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
interactions = st.fixed_dictionaries(
    {"resourceId": identifiers, "resourceType": mnemonics, "action": st.sampled_from("ABC"), "origin": mnemonics},
    optional={
        "interaction": st.dictionaries(texts, values, max_size=5),
        "externalReference": identifiers,
        "externalResponse": values.filter(lambda value: value is not None),
        "userId": identifiers,
        "sequenceIndex": st.integers(0, SAFE),
        "outcome": st.sampled_from(["success", "failure", "denied", "unknown"]),
        "onBehalfOf": st.lists(identifiers, min_size=1, max_size=4),
        "relatedResources": st.lists(
            st.fixed_dictionaries(
                {"resourceType": mnemonics, "resourceId": identifiers, "role": st.sampled_from(["used", "generated"])}
            ),
            min_size=1,
            max_size=4,
        ),
        "changes": st.lists(
            st.fixed_dictionaries({"op": st.just("add"), "path": st.just("/a"), "value": values}), max_size=3
        ),
        "uowId": uuids,
        "spanId": uuids,
        "parentSpanId": uuids,
        "timestamp": times,
    },
)

BREAKERS = (
    b"1e400", b"-1e309", b"9007199254740992", b"-9007199254740993", b"1e16", b"NaN", b"Infinity", b"01", b"+1", b".5",
    b'"\\u0000"', b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\x"', b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\x80"', b'"\n"',
    b'{"a":1,"a":2}', b'{"a":1,"\\u0061":2}', b'{"a":}', b"[1,]", b"{,}", b"[" * 70 + b"]" * 70, b"tru", b"'a'", b'"',
)  # fmt: skip


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """Return an interaction that is no acceptable JSON: one value somewhere in it is replaced by a breaker."""
    body: dict[str, Any] = draw(interactions)
    name = draw(st.sampled_from([*body, "interaction", "externalResponse", "extra"]))
    place = draw(st.sampled_from(['"@"', '{"a":"@"}', '[1,{"b":["@"]}]']))
    text = json.dumps({**body, name: json.loads(place)}, ensure_ascii=draw(st.booleans())).encode()
    return text.replace(b'"@"', draw(st.sampled_from(BREAKERS)), 1)


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    """Return the text of an interaction with a few bytes changed, cut out or put in; some stay acceptable."""
    text = bytearray(json.dumps(draw(interactions)).encode())
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        length = draw(st.integers(0, 3))
        text[at : at + length] = draw(st.binary(max_size=3) | st.sampled_from(BREAKERS))
    return bytes(text)


odd = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
FIELDS = (
    "resourceId", "resourceType", "resourceTypeId", "action", "actionId", "origin", "originId", "interaction",
    "externalReference", "externalResponse", "userId", "sequenceIndex", "outcome", "onBehalfOf", "relatedResources",
    "changes", "corrects", "uowId", "spanId", "parentSpanId", "timestamp", "idempotencyKey", "_headers",
)  # fmt: skip
misshapen = st.builds(
    lambda good, bad: {**good, **bad},
    interactions,
    st.dictionaries(st.sampled_from(FIELDS), odd, min_size=1, max_size=3),
)
"""An interaction of which some members hold whatever JSON can hold."""
