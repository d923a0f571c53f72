import uuid

import pytest

from provenance.ledger.interactions import plenty
from provenance.ledger.interactions.plenty import Plenty

HERE, ELSEWHERE = uuid.uuid4(), uuid.uuid4()


def test_what_was_noted_is_known_for_the_same_workspace_and_number_of_rows() -> None:
    known = Plenty()
    known.note(HERE, "orders", 5_001)
    assert known.holds(HERE, "orders", 5_001)
    assert not known.holds(HERE, "orders", 10_001)
    assert not known.holds(HERE, "users", 5_001)
    assert not known.holds(ELSEWHERE, "orders", 5_001)


def test_it_is_asked_anew_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plenty, "KNOWN_SECONDS", -1.0)
    known = Plenty()
    known.note(HERE, "orders", 10)
    assert not known.holds(HERE, "orders", 10)


def test_what_was_asked_for_longest_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plenty, "REMEMBERED", 2)
    known = Plenty()
    known.note(HERE, "orders", 10)
    known.note(HERE, "users", 10)
    assert known.holds(HERE, "orders", 10)
    known.note(HERE, "keys", 10)
    assert [known.holds(HERE, what, 10) for what in ("orders", "users", "keys")] == [True, False, True]
