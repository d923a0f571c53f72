"""Topics and patterns against a matcher so simple that it can't be wrong; waits between attempts; lanes."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.bus import topics
from provenance.bus.deliveries.backoff import CIRCUIT_FAILURES, closed_for, longest_wait, wait
from provenance.bus.filters import BadFilter, wants_of
from provenance.bus.subscriptions.schemas import Backoff

SEGMENT = st.sampled_from(["a", "b", "a.b", "A-1", "_"])
TOPIC = st.lists(SEGMENT, min_size=1, max_size=4).map("/".join)
PATTERN = st.builds(
    lambda head, rest: "/".join([*head, *rest]) or "#",
    st.lists(SEGMENT | st.just("+"), max_size=4),
    st.sampled_from([[], ["#"]]),
)


def simply(pattern: list[str], topic: list[str]) -> bool:
    if pattern[:1] == ["#"]:
        return True
    if not pattern or not topic:
        return pattern == topic
    return pattern[0] in ("+", topic[0]) and simply(pattern[1:], topic[1:])


@given(PATTERN, TOPIC)
def test_a_pattern_matches_as_the_simple_matcher_says(pattern: str, topic: str) -> None:
    assert topics.is_pattern(pattern)
    assert topics.is_topic(topic)
    assert topics.matches(pattern, topic) == simply(pattern.split("/"), topic.split("/"))


ALL = ["/".join(each) for size in (1, 2, 3) for each in itertools.product("ab", repeat=size)]


@given(st.lists(PATTERN, min_size=1, max_size=3), PATTERN)
def test_within_never_lets_in_a_pattern_with_a_topic_that_is_not_covered(patterns: list[str], asked: str) -> None:
    if topics.within(tuple(patterns), asked):
        assert all(topics.covers(tuple(patterns), topic) for topic in ALL if topics.matches(asked, topic))


@given(PATTERN, PATTERN, TOPIC)
def test_the_more_specific_of_two_is_the_one_that_says_more(one: str, other: str, topic: str) -> None:
    if not (topics.matches(one, topic) and topics.matches(other, topic)):
        return
    if topics.within((other,), one) and not topics.within((one,), other):
        assert topics.specificity(one) > topics.specificity(other)


@pytest.mark.parametrize("text", ["", "/a", "a/", "a//b", "a b", "ä", "+", "a/#", "/".join("abcdefghi"), "a" * 257])
def test_what_is_no_topic(text: str) -> None:
    assert not topics.is_topic(text)


@pytest.mark.parametrize("text", ["", "#/a", "a/#/b", "a+", "+a/b", "a#"])
def test_what_is_no_pattern(text: str) -> None:
    assert not topics.is_pattern(text)


@given(st.integers(1, 30), st.floats(0.05, 3600), st.floats(0.05, 86_400), st.sampled_from(["exponential", "fixed"]))
def test_the_plan_of_attempts(attempts: int, initial: float, most: float, kind: Any) -> None:
    rules = Backoff(kind=kind, initial_seconds=initial, max_seconds=most)
    longest = longest_wait(rules, attempts)
    assert longest <= most
    assert longest == (min(initial, most) if kind == "fixed" else min(most, initial * 2 ** (attempts - 1)))
    assert longest / 2 <= wait(rules, attempts) <= longest


def test_the_usual_plan_is_five_seconds_to_an_hour() -> None:
    assert [longest_wait(Backoff(), attempts) for attempts in (1, 2, 3, 8, 20)] == [5, 10, 20, 640, 3600]


def test_a_target_is_left_alone_after_ten_failures_for_ten_minutes_at_most() -> None:
    assert closed_for(CIRCUIT_FAILURES - 1) == 0
    assert [closed_for(CIRCUIT_FAILURES + more) // 10**9 for more in (0, 1, 2, 50)] == [30, 60, 120, 600]


@pytest.mark.parametrize(
    ("rule", "held"),
    [
        ({"path": "payload.n", "op": "eq", "value": 1}, True),
        ({"path": "n", "op": "eq", "value": True}, False),
        ({"path": "n", "op": "ne", "value": 2}, True),
        ({"path": "absent", "op": "ne", "value": 2}, True),
        ({"path": "absent", "op": "eq", "value": None}, False),
        ({"path": "n", "op": "gt", "value": 0}, True),
        ({"path": "n", "op": "gt", "value": "0"}, False),
        ({"path": "list.0", "op": "prefix", "value": "he"}, True),
        ({"path": "list.1", "op": "exists"}, False),
        ({"path": "list.1", "op": "exists", "value": False}, True),
        ({"path": "topic", "op": "in", "value": ["a", "t"]}, True),
        ({"path": "message.hopCount", "op": "lt", "value": 1}, True),
    ],
    ids=range(12),
)
def test_rules_over_fields(rule: dict[str, Any], held: bool) -> None:
    payload = {"n": 1, "list": ["hello"]}
    assert wants_of([rule])({"topic": "t", "payload": payload, "message": {"hopCount": 0}}) is held


@pytest.mark.parametrize(
    "bad", ["payload.", "1 + 1", "unknown.x == 1", [{"path": "a", "op": "in", "value": 1}]], ids=range(4)
)
def test_what_is_no_filter(bad: Any) -> None:
    with pytest.raises(BadFilter):
        wants_of(bad)
