"""Times of schedules, through the changes of the clocks."""

from itertools import islice

import pytest

from provenance.core.clock import iso_millis, parse_iso
from provenance.workflows.timetable import BadSchedule, next_time, times


@pytest.mark.parametrize(
    ("cron", "zone", "after", "expected"),
    [
        ("30 2 * * *", "UTC", "2026-03-29T00:00:00Z", ["03-29T02:30", "03-30T02:30"]),
        # 02:30 is skipped on the 29th of March in Paris: it runs right after the gap.
        ("30 2 * * *", "Europe/Paris", "2026-03-28T02:00:00Z", ["03-29T01:00", "03-30T00:30"]),
        # 02:30 comes twice on the 25th of October: it runs once.
        ("30 2 * * *", "Europe/Paris", "2026-10-24T01:00:00Z", ["10-25T00:30", "10-26T01:30"]),
        # A line with a star in minutes or hours follows the clock on the wall, hour after hour.
        ("0 * * * *", "Europe/Paris", "2026-10-24T23:30:00Z", ["10-25T00:00", "10-25T01:00", "10-25T02:00"]),
        # Lord Howe moves by half an hour.
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", ["10-03T15:30", "10-04T15:15"]),
        ("0 9 * * MON#1", "America/New_York", "2026-11-01T00:00:00Z", ["11-02T14:00", "12-07T14:00"]),
        ("0 0 29 2 *", "UTC", "2026-03-01T00:00:00Z", ["02-29T00:00"]),
    ],
)
def test_times(cron: str, zone: str, after: str, expected: list[str]) -> None:
    found = [iso_millis(each)[5:16] for each in islice(times(cron, zone, parse_iso(after)), len(expected))]
    assert found == expected


def test_six_fields_begin_with_seconds() -> None:
    begun = parse_iso("2026-01-01T00:00:00Z")
    assert next_time("*/10 * * * * *", "UTC", begun) == begun + 10 * 10**9


@pytest.mark.parametrize(
    ("cron", "zone", "member"),
    [
        ("* * * *", "UTC", "cron"),
        ("60 * * * *", "UTC", "cron"),
        ("0 0 30 2 *", "UTC", "cron"),
        ("@daily", "UTC", "cron"),
        ("* * * * *", "", "timezone"),
        ("* * * * *", "../../etc/passwd", "timezone"),
    ],
)
def test_what_cannot_be_read(cron: str, zone: str, member: str) -> None:
    with pytest.raises(BadSchedule) as caught:
        next_time(cron, zone, parse_iso("2026-01-01T00:00:00Z"))
    assert caught.value.member == member
