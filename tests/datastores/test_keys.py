"""The rules of keys, and the order of a listing against one that sorts bytes."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from provenance.datastores.keys import after_prefix, issue_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


class TestRules:
    @pytest.mark.parametrize(
        "key",
        ["a", "a/b", "..a", "a..", "a/..b/c", "...", "a//b", "ä", "💾", "k" * 1024, "ä" * 512, "."],
        ids=range(12),
    )
    def test_good_ones(self, key: str) -> None:
        assert issue_of(key) is None

    @pytest.mark.parametrize(
        "key",
        [
            "",
            "/a",
            "..",
            "../a",
            "a/..",
            "a/../b",
            "a\0b",
            "a\nb",
            "\x7f",
            "\x85",
            "k" * 1025,
            "ä" * 512 + "k",
            "\ud800",
        ],
        ids=range(13),
    )
    def test_bad_ones(self, key: str) -> None:
        assert issue_of(key) is not None

    @examples(max_examples=200, deadline=None)
    @given(
        st.text(st.sampled_from("/.a\0\n\u0085é\ud800"), max_size=6)
        | st.integers(1000, 1030).map(lambda n: "ké" * (n // 3))
    )
    def test_what_is_admitted_keeps_every_rule(self, key: str) -> None:
        if issue_of(key) is None:
            assert 1 <= len(key.encode()) <= 1024
            assert not key.startswith("/")
            assert ".." not in key.split("/")
            assert not any(unicodedata.category(each) == "Cc" for each in key)


class TestPrefix:
    @examples(max_examples=200, deadline=None)
    @given(TEXT, TEXT)
    def test_all_that_begin_so_and_nothing_else_lies_between(self, prefix: str, key: str) -> None:
        end = after_prefix(prefix)
        between = key.encode() >= prefix.encode() and (end is None or key.encode() < end.encode())
        assert between == key.startswith(prefix)

    def test_ends_of_the_range_of_characters(self) -> None:
        assert after_prefix("a") == "b"
        assert after_prefix("a\ud7ff") == "a\ue000"
        assert after_prefix("a\U0010ffff") == "b"
        assert after_prefix("\U0010ffff") is None
        assert after_prefix("") is None
