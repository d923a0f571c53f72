"""Masks: no value comes through, in whatever form it travels, and nothing else is touched."""

import json
from base64 import b64encode, urlsafe_b64encode
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.core.masking import MASK
from provenance.secrets.masking import Mask
from provenance.secrets.references import filled, names_in

VALUE = 'tö/p+"s3cr3t"\\x'
values = st.text(st.characters(codec="utf-8", exclude_characters="*"), min_size=8, max_size=40).filter(str.strip)


@pytest.mark.parametrize(
    "text",
    [
        VALUE,
        json.dumps({"a": VALUE}),
        json.dumps({"a": VALUE}, ensure_ascii=False),
        "https://x/?" + urlencode({"q": VALUE}),
        "https://x/" + quote(VALUE, safe=""),
        VALUE.encode().hex(),
        *(b64encode(b"u" * at + VALUE.encode()).decode() for at in range(4)),
        *(urlsafe_b64encode(b"u" * at + VALUE.encode() + b"v").decode() for at in range(4)),
    ],
)
def test_every_form_is_found(text: str) -> None:
    assert MASK in Mask([VALUE]).text(text)
    assert MASK.encode() in Mask([VALUE]).raw(text.encode())


@given(values, st.text(), st.text())
def test_nothing_of_a_value_is_left(value: str, before: str, after: str) -> None:
    assert value not in Mask([value]).text(before + value + after)


@given(st.text(alphabet="xyz", max_size=60))
def test_what_is_no_secret_stays(text: str) -> None:
    assert Mask(["abcdefgh"]).text(text) == text
    assert Mask([]).raw(text.encode()) == text.encode()


def test_structures_are_masked_whole() -> None:
    mask = Mask([{"user": "somebody", "pin": "1234", "keys": ["first-key"]}])
    given_: Any = {"somebody": [1, None, True, "is first-key"], "pin": "1234"}
    assert mask.json(given_) == {MASK: [1, None, True, f"is {MASK}"], "pin": "1234"}


def test_a_text_of_lines_is_masked_line_by_line() -> None:
    mask = Mask(["-----BEGIN KEY-----\nMIIabcdefgh\n-----END KEY-----"])
    assert mask.text("read MIIabcdefgh from disk") == f"read {MASK} from disk"


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_a_value_without_references_is_itself(value: Any) -> None:
    if "{{" not in json.dumps(value):
        assert names_in(value) == []
        assert filled(value, lambda name: "never") == value
