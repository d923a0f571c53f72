"""When digests go out and quiet hours end, by every zone's clocks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.core.clock import nanos, utc
from provenance.notifications.digest.schedule import Frequency, next_run
from provenance.notifications.rules import quiet_until, told
from provenance.notifications.schemas import ChannelKind, QuietHours, Rule

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/St_Johns",
    "Asia/Kolkata",
    "Pacific/Kiritimati",
    "Pacific/Apia",
    "Africa/Cairo",
]
moments = st.integers(1_700_000_000, 1_900_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
hours = st.integers(0, 23)
zones = st.sampled_from(ZONES)


class TestNextRun:
    @pytest.mark.parametrize(
        ("frequency", "hour", "zone", "after", "expected"),
        [
            ("daily", 6, "UTC", "2026-03-01T05:59", "2026-03-01T06:00"),
            ("daily", 6, "UTC", "2026-03-01T06:00", "2026-03-02T06:00"),
            ("weekly", 6, "UTC", "2026-11-22T12:00", "2026-11-23T06:00"),  # a Sunday; Monday follows
            ("weekly", 6, "UTC", "2026-11-23T06:00", "2026-11-30T06:00"),
            ("monthly", 6, "UTC", "2026-12-01T07:00", "2027-01-01T06:00"),
            ("monthly", 0, "UTC", "2026-02-28T23:59", "2026-03-01T00:00"),
            # In Auckland Monday begins at 11:00 UTC of Sunday.
            ("weekly", 20, "Pacific/Auckland", "2026-11-22T12:00", "2026-11-22T20:00"),
            ("weekly", 6, "Pacific/Auckland", "2026-11-22T12:00", "2026-11-23T06:00"),
            # In Los Angeles the first begins at 8:00 UTC.
            ("monthly", 7, "America/Los_Angeles", "2026-11-22T12:00", "2026-12-02T07:00"),
        ],
    )
    def test_examples(self, frequency: Frequency, hour: int, zone: str, after: str, expected: str) -> None:
        moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
        assert next_run(frequency, hour, zone, moment) == datetime.fromisoformat(expected).replace(tzinfo=UTC)

    @given(frequency=st.sampled_from(["daily", "weekly", "monthly"]), hour=hours, zone=zones, after=moments)
    def test_it_comes_at_its_hour_and_not_too_late(
        self, frequency: Frequency, hour: int, zone: str, after: datetime
    ) -> None:
        found = next_run(frequency, hour, zone, after)
        longest = {"daily": 1, "weekly": 7, "monthly": 31}[frequency]
        assert (found.hour, found.minute, found.second) == (hour, 0, 0)
        assert timedelta(0) < found - after <= timedelta(days=longest + 1)

    @given(hour=hours, zone=zones, after=moments)
    def test_every_week_has_one_whose_day_began_on_a_monday(self, hour: int, zone: str, after: datetime) -> None:
        found = next_run("weekly", hour, zone, after)
        day = (found - timedelta(hours=23, minutes=59)).astimezone(ZoneInfo(zone)).date()
        assert any((day + timedelta(days=offset)).weekday() == 0 for offset in (0, 1))
        following = next_run("weekly", hour, zone, found)
        assert timedelta(days=6) <= following - found <= timedelta(days=8)


NIGHT = {"from": "22:00", "to": "07:00", "timezone": "Europe/Berlin"}
NOON = {"from": "12:00", "to": "13:00"}


def quiet(**hours: str) -> QuietHours:
    return QuietHours.model_validate(hours)


class TestQuietHours:
    @pytest.mark.parametrize(
        ("hours", "now", "until"),
        [
            (NIGHT, "2026-11-22T20:59", "2026-11-22T20:59"),
            (NIGHT, "2026-11-22T21:00", "2026-11-23T06:00"),
            (NIGHT, "2026-11-23T05:59", "2026-11-23T06:00"),
            (NIGHT, "2026-11-23T06:00", "2026-11-23T06:00"),
            (NIGHT, "2026-03-28T22:00", "2026-03-29T05:00"),  # the night that is an hour shorter
            (NOON, "2026-11-23T12:30", "2026-11-23T13:00"),
            (NOON, "2026-11-23T13:00", "2026-11-23T13:00"),
        ],
    )
    def test_examples(self, hours: dict[str, str], now: str, until: str) -> None:
        found = quiet_until(quiet(**hours), nanos(datetime.fromisoformat(now).replace(tzinfo=UTC)))
        assert utc(found) == datetime.fromisoformat(until).replace(tzinfo=UTC)

    @given(start=hours, end=hours, zone=zones, now=moments)
    def test_they_end_within_a_day_and_are_over_then(self, start: int, end: int, zone: str, now: datetime) -> None:
        if start == end:
            return
        hours = quiet(**{"from": f"{start:02d}:00", "to": f"{end:02d}:00", "timezone": zone})
        until = quiet_until(hours, nanos(now))
        assert timedelta(0) <= utc(until) - now <= timedelta(hours=26)


def rule(**members: object) -> Rule:
    return Rule.model_validate({"event": "run.failed", "channels": ["email"], **members})


class TestTold:
    def test_only_what_a_rule_names(self) -> None:
        assert told([rule()], "run.failed", "low", {}, 5) == {ChannelKind.EMAIL: 5}
        assert told([rule()], "run.completed", "low", {}, 5) == {}
        assert told([], "run.failed", "low", {}, 5) == {}

    def test_from_a_risk_on(self) -> None:
        narrow = [rule(minRisk="high")]
        assert told(narrow, "run.failed", "medium", {}, 5) == {}
        assert told(narrow, "run.failed", None, {}, 5) == {}
        assert told(narrow, "run.failed", "critical", {}, 5) == {ChannelKind.EMAIL: 5}

    def test_in_some_environments(self) -> None:
        narrow = [rule(environments=["production"])]
        assert told(narrow, "run.failed", "low", {"environment": "staging"}, 5) == {}
        assert told(narrow, "run.failed", "low", {}, 5) == {}
        assert told(narrow, "run.failed", "low", {"environment": "production"}, 5) == {ChannelKind.EMAIL: 5}

    def test_the_earliest_of_several_rules_counts(self) -> None:
        now = nanos(datetime(2026, 11, 22, 22, 0, tzinfo=UTC))
        later = rule(channels=["email", "webhook"], quietHours=NIGHT)
        assert told([later, rule()], "run.failed", "low", {}, now) == {
            ChannelKind.EMAIL: now,
            ChannelKind.WEBHOOK: now + 8 * 3600 * 10**9,
        }
