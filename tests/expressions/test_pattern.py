import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.expressions.pattern import weight


class TestWeight:
    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("", 0),
            ("abc", 3),
            ("^a.b$", 5),
            ("a*b+c?", 3),
            ("[a-z]{3}", 3),
            ("[]a]x", 2),
            ("[^\\]]{2}", 2),
            ("[[:alpha:]]{4}", 4),
            ("a{2,5}", 5),
            ("a{7,}", 7),
            ("a{0}", 1),
            ("\\{5}", 3),
            ("(ab){3}", 9),
            ("((a{10}){10}){10}", 1110),
            ("(a?){1000}", 2000),
            ("\\pL", 20),
            ("\\p{Greek}{3}", 60),
            ("[\\pL_]", 20),
            ("\\x{10FFFF}", 1),
            ("[0-9a-f]{8}-[0-9a-f]{4}", 13),
            ("a)b(c", 4),
        ],
    )
    def test_examples(self, pattern: str, expected: int) -> None:
        assert weight(pattern) == expected

    @given(st.text(st.sampled_from(list("a(){},12[]\\pL^$*+?|.x{é")), max_size=60))
    def test_any_text_has_a_weight(self, pattern: str) -> None:
        assert weight(pattern) >= 0

    @given(st.text(st.sampled_from(list("abc.")), min_size=1, max_size=20), st.integers(1, 50))
    def test_a_repetition_weighs_what_it_writes_out(self, atoms: str, times: int) -> None:
        assert weight(f"({atoms}){{{times}}}") >= weight(atoms * times)
