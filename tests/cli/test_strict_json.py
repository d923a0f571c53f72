import pytest

from provenance.cli import strict_json


class TestParse:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ('{"a": 1, "a": 2}', "'a' is given twice"),
            ("[NaN]", "NaN"),
            ("1e999", "beyond a double"),
            (b'"\xff"', "utf-8"),
            ("[" * 100_000, "too deeply"),
            ("{", "Expecting"),
        ],
    )
    def test_what_would_be_lost_is_refused(self, text: str | bytes, reason: str) -> None:
        with pytest.raises(ValueError, match=reason):
            strict_json.parse(text)

    def test_a_byte_order_mark_is_no_content(self) -> None:
        assert strict_json.parse(b"\xef\xbb\xbf{}") == {}


class TestTrouble:
    @pytest.mark.parametrize(
        ("value", "words"),
        [
            ({"a": {"b": [1, 2**53]}}, "a.b[1]: integer 9007199254740992"),
            ({"a": "x\0"}, "a: holds a NUL"),
            ({"x\0": 1}, "holds a NUL"),
            ({"a": "\ud800"}, "a: holds half"),
        ],
    )
    def test_names_the_path(self, value: object, words: str) -> None:
        assert words in (strict_json.trouble(value) or "")

    def test_finds_none_in_good_content(self) -> None:
        assert strict_json.trouble({"a": [2**53 - 1, -(2**53) + 1, True, None, 1.5, "ä"]}) is None
