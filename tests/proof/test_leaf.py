import hmac
import json
from hashlib import sha256
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from provenance.proof.bad_json import BadJson
from provenance.proof.canonical import canonical
from provenance.proof.leaf import (
    KIND_RESOURCE,
    KIND_USER,
    Envelope,
    IndexKeys,
    content_digest,
    index_key_hash,
    join_members,
    leaf_hash,
    node_hash,
)

from .documents import SAFE, texts, values

uuids = st.uuids().map(str)
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
halves = st.binary(min_size=16, max_size=16).map(bytes.hex)
moments = st.integers(0, 2**63).map(str)

envelopes = st.fixed_dictionaries(
    {
        "v": st.just(1),
        "id": uuids,
        "workspace": texts,
        "recordedBy": texts,
        "actorKind": texts,
        "platform": st.booleans(),
        "sequence": st.none() | st.integers(0, SAFE),
        "occurred": moments,
        "recorded": moments,
        "resourceType": texts,
        "action": texts,
        "origin": texts,
        "uow": uuids,
        "span": st.none() | uuids,
        "parentSpan": st.none() | uuids,
        "outcome": st.none() | texts,
        "risk": st.none() | texts,
        "domain": st.none() | texts,
        "corrects": st.none() | uuids,
        "keys": st.fixed_dictionaries({"r": halves, "u": st.none() | halves}),
        "contentDigest": digests,
    }
)


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def made(fields: dict[str, Any]) -> Envelope:
    keys = IndexKeys(**fields["keys"])
    return Envelope(**{snake(name): value for name, value in fields.items() if name != "keys"}, keys=keys)


EXAMPLE: dict[str, Any] = {
    "v": 1,
    "id": "018f3c1e-0000-7000-8000-000000000001",
    "workspace": "ws_1",
    "recordedBy": "key_1",
    "actorKind": "key",
    "platform": False,
    "sequence": None,
    "occurred": "1700000000000000001",
    "recorded": "1700000000000000002",
    "resourceType": "USER",
    "action": "CREATE",
    "origin": "WEBAPP",
    "uow": "018f3c1e-0000-7000-8000-000000000002",
    "span": None,
    "parentSpan": None,
    "outcome": "success",
    "risk": None,
    "domain": None,
    "corrects": None,
    "keys": {"r": "aa" * 16, "u": None},
    "contentDigest": "bb" * 32,
}


class TestEnvelope:
    @given(envelopes)
    def test_is_the_canonical_form_of_its_fields(self, fields: dict[str, Any]) -> None:
        text = made(fields).canonical()
        assert text == rfc8785.dumps(fields) == canonical(fields)
        assert json.loads(text) == fields

    @given(envelopes)
    def test_reads_back(self, fields: dict[str, Any]) -> None:
        text = made(fields).canonical()
        assert msgspec.json.decode(text, type=Envelope).canonical() == text

    def test_these_very_bytes(self) -> None:
        """The format of every leaf ever written: a change here breaks all proofs."""
        digest = sha256(b"\x00" + made(EXAMPLE).canonical()).hexdigest()
        assert digest == leaf_hash(made(EXAMPLE).canonical()).hex()
        assert made(EXAMPLE).canonical() == (
            b'{"action":"CREATE","actorKind":"key","contentDigest":"' + b"b" * 64 + b'","corrects":null,'
            b'"domain":null,"id":"018f3c1e-0000-7000-8000-000000000001","keys":{"r":"' + b"a" * 32 + b'","u":null},'
            b'"occurred":"1700000000000000001","origin":"WEBAPP","outcome":"success","parentSpan":null,'
            b'"platform":false,"recorded":"1700000000000000002","recordedBy":"key_1","resourceType":"USER",'
            b'"risk":null,"sequence":null,"span":null,"uow":"018f3c1e-0000-7000-8000-000000000002","v":1,'
            b'"workspace":"ws_1"}'
        )

    @pytest.mark.parametrize(
        ("field", "value", "code"),
        [
            ("action", "a\x00", "nul_character"),
            ("origin", "\ud800", "lone_surrogate"),
            ("sequence", 2**53, "unsafe_integer"),
            ("sequence", -(2**53), "unsafe_integer"),
        ],
    )
    def test_what_has_no_canonical_form(self, field: str, value: object, code: str) -> None:
        with pytest.raises(BadJson) as caught:
            made({**EXAMPLE, field: value}).canonical()
        assert caught.value.code == code

    def test_a_backslash_before_u0000_is_no_nul(self) -> None:
        fields = {**EXAMPLE, "domain": "\\u0000"}
        assert made(fields).canonical() == rfc8785.dumps(fields)


class TestHashes:
    def test_vectors_of_rfc_6962(self) -> None:
        for found, expected in (
            (leaf_hash(b""), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (leaf_hash(b"L123456"), "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"),
            (node_hash(b"N123", b"N456"), "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"),
        ):
            assert found.hex() == expected

    def test_content_digest(self) -> None:
        salt, content = bytes(range(16)), b'{"a":1}'
        assert content_digest(salt, content) == sha256(salt + content).digest()
        for wrong in (b"", bytes(15), bytes(17)):
            with pytest.raises(ValueError, match="16 bytes"):
                content_digest(wrong, content)

    def test_index_key_hash(self) -> None:
        key = bytes(range(32))
        expected = hmac.new(key, b"r\x00user-\xc3\xa9", "sha256").hexdigest()[:32]
        assert index_key_hash(key, KIND_RESOURCE, "user-é") == expected
        assert index_key_hash(key, KIND_USER, "user-é") != expected
        assert index_key_hash(bytes(32), KIND_RESOURCE, "user-é") != expected


class TestJoinMembers:
    @given(st.dictionaries(texts, values, max_size=12))
    def test_is_the_canonical_object(self, members: dict[str, Any]) -> None:
        pairs = [(name, canonical(value)) for name, value in members.items()]
        assert join_members(pairs) == rfc8785.dumps(members)
        assert join_members(pairs[::-1]) == rfc8785.dumps(members)

    def test_sorts_by_utf_16(self) -> None:
        assert join_members([("\ufb33", b"1"), ("😀", b"2")]) == '{"😀":2,"\ufb33":1}'.encode()

    def test_a_name_twice(self) -> None:
        with pytest.raises(ValueError, match="twice"):
            join_members([("a", b"1"), ("b", b"1"), ("a", b"2")])

    def test_a_name_with_no_canonical_form(self) -> None:
        for name in ("\x00", "\ud800"):
            with pytest.raises(BadJson):
                join_members([(name, b"1")])
