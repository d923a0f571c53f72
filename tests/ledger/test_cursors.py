import os
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.core.keyring import WorkspaceKeys
from provenance.ledger.interactions import cursors
from provenance.ledger.interactions.cursors import BadCursor, Cursor

KEYS = WorkspaceKeys({1: b"k" * 32})
HERE = cursors.binding("interactions", {"resourceId": "a"}, True, True)
whole = st.integers(0, 2**63 - 1)
some_cursor = st.builds(
    Cursor,
    at=st.tuples(whole, whole),
    page=whole,
    skip=whole,
    total=st.none() | whole,
    capped=st.booleans(),
)


@given(some_cursor)
def test_a_cursor_reads_back(cursor: Cursor) -> None:
    assert cursors.read(KEYS, HERE, cursors.write(KEYS, HERE, cursor)) == cursor


def test_it_is_safe_in_a_url() -> None:
    text = cursors.write(KEYS, HERE, Cursor(at=(2**62, 2**62)))
    assert set(text) <= set(string.ascii_letters + string.digits + "-_.")


def test_every_changed_character_is_noticed() -> None:
    text = cursors.write(KEYS, HERE, Cursor(at=(17, 4), total=3))
    for place, letter in enumerate(text):
        changed = text[:place] + ("A" if letter != "A" else "B") + text[place + 1 :]
        with pytest.raises(BadCursor):
            cursors.read(KEYS, HERE, changed)


@pytest.mark.parametrize("text", ["", ".", "x", "é.é", "W10.AA", "A" * 600, "W1sxLDJdXQ." + "A" * 22])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadCursor) as refusal:
        cursors.read(KEYS, HERE, text)
    assert refusal.value.code == "bad_cursor"
    assert refusal.value.details[0]["path"] == "cursor"


def test_it_is_good_for_one_list_and_one_workspace() -> None:
    text = cursors.write(KEYS, HERE, Cursor(at=(0, 1)))
    with pytest.raises(BadCursor):
        cursors.read(KEYS, cursors.binding("interactions", {"resourceId": "b"}, True, True), text)
    with pytest.raises(BadCursor):
        cursors.read(WorkspaceKeys({1: os.urandom(32)}), HERE, text)
