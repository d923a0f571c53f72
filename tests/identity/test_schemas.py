"""Keys in hand: their form, what is stored of them, and that they never show by accident."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.identity.errors import WeakKey
from provenance.identity.schemas import ApiKey

GOOD = "pv_abcdefgh_" + "aB3dEfGh" * 4


class TestParse:
    def test_there_and_back(self) -> None:
        for text in (GOOD, ApiKey.random().text):
            key = ApiKey.parse(text)
            assert key is not None
            assert key.text == text
            assert key.digest == sha256(key.secret.encode()).digest()

    @pytest.mark.parametrize(
        "text",
        ["", "pv_", GOOD[:-1], GOOD + "\n", " " + GOOD, GOOD.replace("pv", "pw"), "pv_short_" + "a" * 32, GOOD + "_x",
         "pv_abcdefgh_" + "a" * 129, "pv_" + "a" * 33 + "_" + "a" * 32, "pv_abcdefg\u00e9_" + "a" * 32],
    )  # fmt: skip
    def test_another_form_is_none(self, text: str) -> None:
        assert ApiKey.parse(text) is None

    @given(st.text(max_size=80))
    def test_whatever_is_sent_is_a_key_or_none(self, text: str) -> None:
        key = ApiKey.parse(text)
        assert key is None or key.text == text


class TestChosen:
    def test_a_strong_one_is_taken(self) -> None:
        assert ApiKey.chosen(GOOD).text == GOOD

    @pytest.mark.parametrize("text", ["", "hunter2", "pv_abcdefgh_" + "a" * 40, "pv_abcdefgh_" + "ab12" * 10])
    def test_a_weak_one_is_refused_without_repeating_it(self, text: str) -> None:
        with pytest.raises(WeakKey) as refused:
            ApiKey.chosen(text)
        assert not text or text not in str(refused.value)


def test_a_key_does_not_show_its_secret() -> None:
    key = ApiKey.random()
    assert key.secret not in repr(key)
    assert key.secret not in str(key)


def test_random_keys_differ_and_are_long() -> None:
    made = [ApiKey.random() for _ in range(200)]
    assert len({key.id for key in made}) == len({key.secret for key in made}) == 200
    assert all(len(key.secret) == 43 for key in made)
