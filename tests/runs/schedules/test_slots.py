"""Which times are due: against a walk over every minute, through changes of the clocks, outages and jumps."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.core.clock import NANOS, iso_millis, nanos, parse_iso, utc
from provenance.runs.schedules.slots import CatchUp, due
from provenance.workflows.timetable import latest_times, next_time

ZONES = ["UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo"]
MINUTE = 60 * NANOS


def at(text: str) -> int:
    return parse_iso(f"2026-{text}:00Z")


def walk(minutes: set[int], hours: set[int], zone: str, since: int, until: int) -> list[int]:
    """Return the times of a line that names its minutes and hours, found by looking at the clock every minute.

    A local time counts when it is shown first; what a gap skips counts when the gap ends.
    """
    place, shown, found = ZoneInfo(zone), set[datetime](), list[int]()
    begin = utc(since) - timedelta(hours=30)
    local = begin.astimezone(place).replace(tzinfo=None)
    moment = begin
    while nanos(moment) <= until:
        before, local = local, moment.astimezone(place).replace(tzinfo=None)
        passed = [local]
        step = before + timedelta(minutes=1)
        while step < local:  # the clocks went forward
            passed.append(step)
            step += timedelta(minutes=1)
        due_now = [each for each in passed if each not in shown and each.minute in minutes and each.hour in hours]
        shown.update(passed)
        if due_now and since < nanos(moment):
            found.append(nanos(moment))
        moment += timedelta(minutes=1)
    return found


class TestAgainstAWalk:
    @given(
        st.sets(st.integers(0, 59), min_size=1, max_size=3),
        st.sets(st.integers(0, 23), min_size=1, max_size=3),
        st.sampled_from(ZONES),
        st.sampled_from(["03-08", "03-28", "03-29", "04-04", "04-05", "06-15", "10-03", "10-04", "10-25", "11-01"]),
        st.integers(0, 24 * 60 - 1),
    )
    @settings(max_examples=25, deadline=None)
    def test_named_minutes_and_hours(
        self, minutes: set[int], hours: set[int], zone: str, day: str, minute: int
    ) -> None:
        since = at(f"{day}T00:00") + minute * MINUTE
        until = since + 36 * 3600 * NANOS
        for form in ("{} {} * * *", "0 {} {} * * *"):
            cron = form.format(",".join(map(str, minutes)), ",".join(map(str, hours)))
            assert latest_times(cron, zone, since + 1, until, 1000) == walk(minutes, hours, zone, since, until)

    @given(st.sampled_from(ZONES), st.sampled_from(["03-29", "04-05", "10-04", "10-25", "11-01"]), st.integers(1, 59))
    @settings(max_examples=20, deadline=None)
    def test_every_so_many_minutes_of_the_wall(self, zone: str, day: str, step: int) -> None:
        since = at(f"{day}T00:00")
        until = since + 24 * 3600 * NANOS
        place = ZoneInfo(zone)
        expected = [
            moment
            for moment in range(since + MINUTE, until + 1, MINUTE)
            if utc(moment).astimezone(place).minute % step == 0
        ]
        assert latest_times(f"*/{step} * * * *", zone, since + 1, until, 10_000) == expected

    @given(st.sampled_from(ZONES), st.integers(0, 500 * 24 * 60), st.integers(0, 400), st.integers(1, 5))
    @settings(max_examples=40, deadline=None)
    def test_the_latest_are_the_end_of_all(self, zone: str, minute: int, days: int, most: int) -> None:
        since = at("01-01T00:00") + minute * MINUTE
        now = since + days * 24 * 3600 * NANOS
        every = latest_times("17 5 * * *", zone, since, now, 100_000)
        assert latest_times("17 5 * * *", zone, since, now, most) == every[-most:]


class TestChangesOfTheClocks:
    @pytest.mark.parametrize("cron", ["30 2 * * *", "0 30 2 * * *", "15,30,45 2 * * *", "0 15,30,45 2 * * *"])
    def test_a_skipped_time_runs_once_right_after_the_gap(self, cron: str) -> None:
        found = due(cron, "Europe/Paris", "all", at("03-29T01:00"), at("03-29T01:00"))
        assert found.starts == [at("03-29T01:00")]
        assert found.following is not None
        assert iso_millis(found.following).startswith("2026-03-30T00:")

    @pytest.mark.parametrize("cron", ["30 2 * * *", "0 30 2 * * *"])
    def test_a_time_that_comes_twice_runs_once(self, cron: str) -> None:
        found = due(cron, "Europe/Paris", "all", at("10-25T00:30"), at("10-25T01:30"))
        assert (found.starts, found.following) == ([at("10-25T00:30")], at("10-26T01:30"))

    def test_begun_while_a_local_time_comes_again_it_waits_for_tomorrow(self) -> None:
        """At 02:10 for the second time, 02:45 is over: it was shown an hour ago."""
        assert next_time("45 2 * * *", "Europe/Paris", at("10-25T01:10")) == at("10-26T01:45")


class TestCatchingUp:
    NOW = at("06-15T12:00") + 10 * NANOS
    SEEN = at("06-15T09:00")

    @pytest.mark.parametrize(
        ("catch_up", "starts", "dropped"),
        [
            ("none", ["06-15T12:00"], "06-15T11:00"),
            ("last", ["06-15T12:00"], "06-15T11:00"),
            ("all", ["06-15T09:00", "06-15T10:00", "06-15T11:00", "06-15T12:00"], None),
        ],
    )
    def test_back_on_time(self, catch_up: CatchUp, starts: list[str], dropped: str | None) -> None:
        found = due("0 * * * *", "UTC", catch_up, self.SEEN, self.NOW)
        assert found.starts == [at(each) for each in starts]
        assert found.dropped == (dropped and at(dropped))
        assert found.following == at("06-15T13:00")

    @pytest.mark.parametrize(
        ("catch_up", "starts", "dropped"),
        [("none", [], "06-15T12:00"), ("last", ["06-15T12:00"], "06-15T11:00"), ("all", 4, None)],
    )
    def test_back_between_two_times(self, catch_up: CatchUp, starts: list[str] | int, dropped: str | None) -> None:
        found = due("0 * * * *", "UTC", catch_up, self.SEEN, at("06-15T12:20"))
        assert len(found.starts) == 4 if starts == 4 else found.starts == [at(each) for each in starts]
        assert found.dropped == (dropped and at(dropped))

    def test_all_are_a_hundred_at_most(self) -> None:
        found = due("* * * * *", "UTC", "all", at("01-01T00:00"), self.NOW)
        assert len(found.starts) == 100
        assert found.starts[-1] == at("06-15T12:00")
        assert found.dropped == found.starts[0] - MINUTE

    def test_years_are_not_walked_through(self) -> None:
        found = due("* * * * * *", "Europe/Paris", "last", parse_iso("2006-01-01T00:00:00Z"), self.NOW)
        assert len(found.starts) == 61

    @pytest.mark.parametrize("catch_up", ["none", "last", "all"])
    def test_on_time_is_the_same_for_all(self, catch_up: CatchUp) -> None:
        for late in (0, 1, 59 * NANOS):
            found = due("0 * * * *", "UTC", catch_up, self.SEEN, self.SEEN + late)
            assert (found.starts, found.dropped) == ([self.SEEN], None)

    def test_a_line_that_never_comes_again(self) -> None:
        assert due("0 0 29 2 *", "UTC", "last", at("06-15T09:00"), self.NOW).starts == []

    @given(st.sampled_from(["none", "last", "all"]), st.integers(0, 10**7), st.integers(0, 10**7))
    @settings(max_examples=40, deadline=None)
    def test_what_is_next_is_later_and_nothing_starts_early(self, catch_up: CatchUp, seen: int, away: int) -> None:
        begun = at("01-01T00:00") + seen * NANOS
        now = begun + away * NANOS
        found = due("*/7 3-9 * * *", "America/New_York", catch_up, begun, now)
        assert found.following is not None
        assert found.following > now
        assert all(begun <= moment <= now for moment in found.starts)
        assert found.starts == sorted(set(found.starts))


def test_the_walk_itself() -> None:
    assert (
        datetime.fromtimestamp(walk({30}, {2}, "UTC", at("06-15T00:00"), at("06-16T00:00"))[0] / NANOS, UTC).hour == 2
    )
