"""Identifiers as they read outside."""

import re
import uuid

from hypothesis import given
from hypothesis import strategies as st

from provenance.core import ids


class TestEncode:
    @given(st.uuids())
    def test_there_and_back(self, value: uuid.UUID) -> None:
        text = ids.encode("ws", value)
        assert re.fullmatch(r"ws_[0-7][0-9A-HJKMNP-TV-Z]{25}", text)
        assert ids.decode("ws", text) == value

    @given(st.uuids(), st.uuids())
    def test_sorts_like_the_id(self, one: uuid.UUID, two: uuid.UUID) -> None:
        assert (ids.encode("a", one) < ids.encode("a", two)) == (one < two)


class TestDecode:
    @given(st.text(max_size=40) | st.from_regex(r"ws_[0-9A-Za-z]{26}", fullmatch=True))
    def test_says_none_of_what_it_did_not_make(self, text: str) -> None:
        value = ids.decode("ws", text)
        assert value is None or ids.encode("ws", value) == text

    def test_the_prefix_belongs_to_it(self) -> None:
        assert ids.decode("user", ids.encode("ws", ids.new_uuid())) is None


class TestParseUuid:
    @given(st.uuids())
    def test_reads_any_case(self, value: uuid.UUID) -> None:
        assert ids.parse_uuid(str(value)) == ids.parse_uuid(str(value).upper()) == value

    @given(st.text(max_size=40) | st.uuids().map(lambda value: value.hex) | st.uuids().map(lambda value: value.urn))
    def test_nothing_else(self, text: str) -> None:
        value = ids.parse_uuid(text)
        assert value is None or str(value) == text.lower()

    def test_an_odd_spelling_is_none(self) -> None:
        for text in ("{0a1b2c3d-0000-4000-8000-0000000000}", "0a1b2c3d0000-4000-8000-00000-000000a", "x" * 36):
            assert ids.parse_uuid(text) is None


class TestNew:
    def test_uuids_are_of_version_7_and_sort_by_time(self) -> None:
        made = [ids.new_uuid() for _ in range(1000)]
        assert made == sorted(made)
        assert {value.version for value in made} == {7}
        assert uuid.UUID(ids.new_uuid_text()).version == 7

    def test_request_ids_are_letters_only(self) -> None:
        made = {ids.new_request_id() for _ in range(1000)}
        assert len(made) == 1000
        assert all(re.fullmatch(r"req_[a-z]{26}", text) for text in made)

    def test_random_letters(self) -> None:
        assert re.fullmatch(r"[A-Za-z0-9]{43}", ids.random_letters(43))
        assert len({ids.random_letters(20) for _ in range(1000)}) == 1000
