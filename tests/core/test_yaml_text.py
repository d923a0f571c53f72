from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.core.yaml_text import BadYamlText, read, write

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12) | st.sampled_from(
    [
        "on",
        "no",
        "012",
        "1e3",
        "~",
        "null",
        "true",
        "1_000",
        "2024-01-01",
        "0x1f",
        "1:30",
        ".5",
        "+1",
        "a\nb",
        "<<",
        "=",
    ]
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=15,
)


MULTIPLYING = "a: &a [x, x, x, x, x, x, x, x]\n"
for _before, _name in pairwise("abcdefghi"):
    MULTIPLYING += f"{_name}: &{_name} [{', '.join([f'*{_before}'] * 8)}]\n"


class TestRead:
    @given(values)
    def test_what_was_written_reads_the_same(self, value: object) -> None:
        assert read(write(value)) == value

    def test_words_of_yaml_1_1_are_texts(self) -> None:
        text = "on: yes\noff: no\nday: 2024-01-01\ntime: 1:30\nhex: 0x1f\nfloat: 1e3\nint: 012\nempty:\n"
        assert read(text) == {
            "on": "yes", "off": "no", "day": "2024-01-01", "time": "1:30", "hex": "0x1f",
            "float": 1000.0, "int": 12, "empty": None,
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("text", "issue"),
        [
            ("a: 1\na: 2", "twice"),
            ("1: 2", "no text"),
            ("a: [", "expected"),
            ("a: 1\n---\nb: 2", "another document"),
            ("a: !!python/object:os.system x", "constructor"),
            ("a: !!binary aa==", "constructor"),
            ("a: &a [1, *a]", "too large"),
            ("[" * 100, "deep"),
            (MULTIPLYING, "too large"),
            ("a: \x01", "not allowed"),
        ],
    )  # fmt: skip
    def test_what_is_refused(self, text: str, issue: str) -> None:
        with pytest.raises(BadYamlText, match=issue):
            read(text)
