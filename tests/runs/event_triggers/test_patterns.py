"""Patterns over rows of the ledger, against a plain reading of what they mean."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.runs.event_triggers.patterns import Index, topic_of, words_of
from provenance.workflows.compiling import check
from tests.runs.event_triggers.conftest import hearing


class Trigger(NamedTuple):
    topic_pattern: str


def plainly(pattern: list[str], topic: list[str]) -> bool:
    """Tell whether a pattern matches a topic, segment by segment."""
    if pattern == ["#"]:
        return True
    if not pattern or not topic:
        return pattern == topic
    return pattern[0] in ("+", topic[0]) and plainly(pattern[1:], topic[1:])


SEGMENTS = st.sampled_from(["ledger", "order", "run", "made", "+", "#"])
WORDS = st.sampled_from(["order", "run", "made", "ledger"])


class TestMatching:
    @given(st.lists(SEGMENTS, min_size=1, max_size=5), WORDS, WORDS, st.booleans())
    def test_the_index_finds_what_the_pattern_means(
        self, pattern: list[str], kind: str, deed: str, platform: bool
    ) -> None:
        if "#" in pattern[:-1]:
            assert words_of("/".join(pattern)) is None
            return
        index = Index([Trigger("/".join(pattern))])
        found = index.matching(kind.upper(), deed.upper(), platform=platform)
        about_rows = pattern[0] == "ledger" and plainly(pattern, ["ledger", kind, deed])
        said = not platform or (len(pattern) > 1 and pattern[1] == kind)
        assert bool(found) == (about_rows and said)

    @pytest.mark.parametrize("pattern", ["#", "+/ORDER/MADE", "orders/created", "ledger", "ledger/", "ledger//x"])
    def test_what_is_about_no_row(self, pattern: str) -> None:
        assert Index([Trigger(pattern)]).matching("ORDER", "MADE", platform=False) == []
        assert bool(Index([Trigger(pattern)])) == (not pattern.startswith("ledger"))

    @given(st.lists(SEGMENTS, min_size=1, max_size=5), st.lists(WORDS, min_size=1, max_size=4))
    def test_messages_are_heard_by_patterns_that_are_not_about_rows(self, pattern: list[str], topic: list[str]) -> None:
        if "#" in pattern[:-1]:
            return
        found = Index([Trigger("/".join(pattern))]).listening_to("/".join(topic))
        assert bool(found) == (pattern[0] != "ledger" and plainly(pattern, topic))

    def test_each_trigger_once(self) -> None:
        wide, narrow = Trigger("ledger/#"), Trigger("ledger/ORDER/MADE")
        assert Index([wide, narrow]).matching("order", "Made", platform=False) == [narrow, wide]

    def test_a_topic(self) -> None:
        assert topic_of("ORDER", "MADE") == "ledger/ORDER/MADE"


class TestPublishing:
    @pytest.mark.parametrize("pattern", ["ledger//x", "/ledger", "orders/", "a b", "#/a", "a/#/b", "a+", "orders/cr*"])
    def test_what_is_no_pattern_is_a_problem(self, pattern: str) -> None:
        [problem] = check(hearing(pattern)).problems
        assert (problem.path, problem.code) == ("steps[0].config.event.topicPattern", "bad_pattern")

    @pytest.mark.parametrize("pattern", ["#", "+", "ledger/ORDER/+", "ledger/#", "orders/+/created", "a.b/c-d/#"])
    def test_what_is_one_is_none(self, pattern: str) -> None:
        assert check(hearing(pattern)).problems == []
