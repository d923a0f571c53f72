"""Each kind of window against a plain reading of what it means: random streams of events, judged second by second.

The reading looks at the whole past again at every second and knows nothing of memories. What the windows remember is
written and read as JSON between any two events, as the database does.
"""

import json
from collections.abc import Callable, Iterable
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.alerts.windows import Absence, After, Before, Change, Fewer, Gaps, Many, Match, Monitor, Window
from provenance.alerts.windows.gaps import RANGES
from provenance.alerts.windows.tally import SLOTS
from provenance.core.clock import NANOS

W = 5
"""Seconds of every window here."""
END = 60
Told = list[tuple[str, int]]


class Event(NamedTuple):
    """``at`` in seconds."""

    at: int
    own: bool = True
    other: bool = False
    number: int = 0


def streams(events: st.SearchStrategy[Event]) -> st.SearchStrategy[list[Event]]:
    return st.lists(events, max_size=12).map(lambda found: sorted(found, key=lambda event: event.at))


SECONDS = st.integers(0, 25)
PLAIN = streams(st.builds(Event, SECONDS))
NUMBERED = streams(st.builds(Event, SECONDS, number=st.integers(1, 12)))
PAIRED = streams(st.builds(Event, SECONDS, own=st.booleans(), other=st.booleans()))
EXAMPLES = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PATIENCE = st.sampled_from([0, 1, 3, W, 20])
SILENT = st.sampled_from([0, 3, 12, 40])


def run(window: Window, events: Iterable[Event], patience: int, silent_until: int = 0) -> list[Change]:
    """Let a window hear a stream, from the beginning of time to its end, through JSON in between."""
    monitor = Monitor(window, patience * NANOS)
    standing, changes = monitor.begin(0), []
    for event in events:
        match = Match(event.at * NANOS, event.own, event.other, event.number)
        changes += monitor.hear(standing, match, silent_until * NANOS)
        standing.memory = json.loads(json.dumps(standing.memory))
    return changes + monitor.advance(standing, END * NANOS, silent_until * NANOS)


def told(changes: Iterable[Change]) -> Told:
    return [(change.kind, change.at // NANOS) for change in changes]


Found = Callable[[list[Event], int, bool], bool]
"""Whether the condition holds, given all events up to now, the second, and whether an event came just now."""


def judged(events: list[Event], holds: Found, pulses: Found, patience: int, silent_until: int = 0) -> Told:
    """Say what an alert tells, second by second: first what time alone brings, then one event after another."""
    said: Told = []
    firing = heard = False
    stopped: int | None = None

    def settle(second: int, past: list[Event], came: bool) -> None:
        nonlocal firing, heard, stopped
        held, pulse = holds(past, second, came), pulses(past, second, came)
        over = None if stopped is None else stopped + patience
        if over is not None and over <= second and (came or over < second or not (held or pulse)):
            said.extend([("recovered", over)] if heard else [])
            firing, heard, stopped = False, False, None
        if held or pulse:
            firing, stopped = True, None
        if firing and not held and stopped is None:
            stopped = second
        if firing and not heard and second >= silent_until and not (stopped == second - patience and not pulse):
            said.append(("firing", second))
            heard = True

    left = list(events)
    past: list[Event] = []
    for second in range(END + 1):
        settle(second, past, False)
        while left and left[0].at == second:
            past = [*past, left.pop(0)]
            settle(second, past, True)
    return said


def never(past: list[Event], second: int, came: bool) -> bool:
    return False


def inside(past: list[Event], second: int) -> int:
    return sum(1 for event in past if event.at + W > second)


class TestMany:
    @EXAMPLES
    @given(PLAIN, st.integers(1, 5), PATIENCE, SILENT)
    def test_is_a_count_of_the_window(self, events: list[Event], need: int, patience: int, silent: int) -> None:
        found = run(Many(W * NANOS, need), events, patience, silent)
        expected = judged(events, lambda past, second, _: inside(past, second) >= need, never, patience, silent)
        assert told(found) == expected
        assert all(change.amount >= need for change in found)

    @EXAMPLES
    @given(st.lists(st.integers(0, 3 * W * NANOS), max_size=30), st.integers(1, 5), st.integers(0, W * NANOS))
    def test_a_match_counts_for_the_window_to_a_five_hundredth(self, moments: list[int], need: int, on: int) -> None:
        monitor, moments = Monitor(Many(W * NANOS, need), 0), sorted(moments)
        standing = monitor.begin(0)
        for moment in moments:
            monitor.hear(standing, Match(moment))
        now = max(moments, default=0) + on
        monitor.advance(standing, now)
        slot = W * NANOS // SLOTS
        surely = sum(1 for moment in moments if moment > now - W * NANOS + slot)
        perhaps = sum(1 for moment in moments if moment > now - W * NANOS)
        firing = standing.firing_since is not None
        assert firing or surely < need
        assert not firing or perhaps >= need

    @EXAMPLES
    @given(st.lists(st.integers(0, 3 * W * NANOS), max_size=200), st.integers(1, 2_000))
    def test_a_memory_is_bounded(self, moments: list[int], need: int) -> None:
        window = Many(W * NANOS, need)
        monitor = Monitor(window, 0)
        standing = monitor.begin(0)
        for moment in sorted(moments):
            monitor.hear(standing, Match(moment))
        assert len(standing.memory["slots"]) <= min(need, SLOTS)


class TestFewer:
    @EXAMPLES
    @given(PLAIN, st.integers(1, 5), PATIENCE, SILENT)
    def test_is_a_count_once_the_first_window_is_over(
        self, events: list[Event], need: int, patience: int, silent: int
    ) -> None:
        def few(past: list[Event], second: int, came: bool) -> bool:
            return second >= W and inside(past, second) < need

        found = run(Fewer(W * NANOS, need), events, patience, silent)
        assert told(found) == judged(events, few, never, patience, silent)


class TestAbsence:
    @EXAMPLES
    @given(PLAIN, PATIENCE, SILENT)
    def test_is_silence_for_so_long(self, events: list[Event], patience: int, silent: int) -> None:
        def silence(past: list[Event], second: int, came: bool) -> bool:
            return second - max((event.at for event in past), default=0) >= W

        found = run(Absence(W * NANOS), events, patience, silent)
        assert told(found) == judged(events, silence, never, patience, silent)


class Missing:
    """Numbers that are waited for, each by itself."""

    def __init__(self) -> None:
        self.until: dict[int, int] = {}
        self.highest: int | None = None
        self.lost = 0

    def __call__(self, past: list[Event], second: int, came: bool) -> bool:
        if came:
            self._take(past[-1])
            return False
        late = [number for number, until in self.until.items() if until <= second]
        for number in late:
            del self.until[number]
        self.lost += len(late)
        return bool(late)

    def _take(self, event: Event) -> None:
        if self.highest is not None and event.number > self.highest:
            self.until |= dict.fromkeys(range(self.highest + 1, event.number), event.at + W)
        self.until.pop(event.number, None)
        self.highest = max(event.number, self.highest or 0)


class TestGaps:
    @EXAMPLES
    @given(NUMBERED, PATIENCE, SILENT)
    def test_are_numbers_that_did_not_come_in_time(self, events: list[Event], patience: int, silent: int) -> None:
        missing = Missing()
        found = run(Gaps(W * NANOS), events, patience, silent)
        assert told(found) == judged(events, never, missing, patience, silent)
        if missing.lost and patience == 20 and not silent:
            assert found[0].details["missing"]

    def test_says_which_are_missing(self) -> None:
        events = [Event(0, number=1), Event(1, number=5), Event(2, number=3), Event(3, number=6)]
        [fired, recovered] = run(Gaps(W * NANOS), events, W)
        assert (fired.amount, fired.details) == (2, {"missing": [[2, 2], [4, 4]]})
        assert (fired.at, recovered.at) == ((1 + W) * NANOS, (1 + 2 * W) * NANOS)

    def test_a_memory_is_bounded(self) -> None:
        window = Gaps(W * NANOS)
        memory = window.begin(0)
        pulses = [window.hear(memory, Match(0, sequence=2 * number)) for number in range(RANGES + 5)]
        assert len(memory["missing"]) == RANGES
        assert [pulse.amount for pulse in pulses if pulse] == [1] * 4


class TestWithout:
    @EXAMPLES
    @given(PAIRED, PATIENCE, SILENT)
    def test_before_is_no_other_one_in_the_window_before(self, events: list[Event], patience: int, silent: int) -> None:
        def alone(past: list[Event], second: int, came: bool) -> bool:
            if not came or not past[-1].own or second < W:
                return False
            return not any(event.other and event.at + W > second for event in past[:-1])

        found = run(Before(W * NANOS, 0), events, patience, silent)
        assert told(found) == judged(events, never, alone, patience, silent)

    @EXAMPLES
    @given(PAIRED, PATIENCE, SILENT)
    def test_after_is_no_other_one_in_the_window_after(self, events: list[Event], patience: int, silent: int) -> None:
        def alone(past: list[Event], second: int, came: bool) -> bool:
            return not came and any(
                event.own and event.at + W == second and not any(later.other for later in past[place + 1 :])
                for place, event in enumerate(past)
            )

        found = run(After(W * NANOS), events, patience, silent)
        assert told(found) == judged(events, never, alone, patience, silent)


class TestMonitor:
    @EXAMPLES
    @given(PLAIN, PATIENCE, SILENT, st.lists(st.integers(0, END), max_size=20))
    def test_looking_more_often_changes_nothing(
        self, events: list[Event], patience: int, silent: int, looks: list[int]
    ) -> None:
        monitor = Monitor(Absence(W * NANOS), patience * NANOS)
        standing, changes = monitor.begin(0), []
        steps = sorted([(look, 0) for look in looks] + [(event.at, 1) for event in events])
        for at, is_event in steps:
            if is_event:
                changes += monitor.hear(standing, Match(at * NANOS), silent * NANOS)
            else:
                changes += monitor.advance(standing, at * NANOS, silent * NANOS)
        changes += monitor.advance(standing, END * NANOS, silent * NANOS)
        assert told(changes) == told(run(Absence(W * NANOS), events, patience, silent))

    @EXAMPLES
    @given(PLAIN, st.integers(1, 4), PATIENCE, SILENT)
    def test_every_firing_is_told_once_before_its_recovery(
        self, events: list[Event], need: int, patience: int, silent: int
    ) -> None:
        kinds = [change.kind for change in run(Many(W * NANOS, need), events, patience, silent)]
        assert kinds == ["firing", "recovered"] * (len(kinds) // 2) + ["firing"] * (len(kinds) % 2)

    @pytest.mark.parametrize("late", [-5, -1])
    def test_an_event_of_the_past_counts_as_of_now(self, late: int) -> None:
        monitor = Monitor(Absence(W * NANOS), 0)
        standing = monitor.begin(0)
        [fired] = monitor.advance(standing, 12 * NANOS)
        assert fired.at == W * NANOS
        monitor.hear(standing, Match((12 + late) * NANOS))
        assert standing.at == 12 * NANOS
        assert standing.memory["last"] == 12 * NANOS
