from datetime import UTC, datetime, timedelta

import pytest

from provenance.cli import periods
from provenance.cli.errors import Misused

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class TestPeriod:
    @pytest.mark.parametrize(
        ("last", "length"),
        [
            ("30m", timedelta(minutes=30)),
            ("12h", timedelta(hours=12)),
            ("7d", timedelta(days=7)),
            ("2w", timedelta(14)),
        ],
    )
    def test_last(self, last: str, length: timedelta) -> None:
        assert periods.period(last, None, None, NOW) == (NOW - length, None)

    def test_a_time_without_offset_is_utc(self) -> None:
        start, end = periods.period(None, "2024-01-15", "2024-01-15T10:30:00+02:00", NOW)

        assert start == datetime(2024, 1, 15, tzinfo=UTC)
        assert end == datetime(2024, 1, 15, 8, 30, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("last", "from_", "to"),
        [
            ("7 days", None, None),
            ("999999w", None, None),
            (None, "yesterday", None),
            ("7d", "2024-01-15", None),
            (None, "2024-01-15", "2024-01-14"),
        ],
    )
    def test_nonsense_is_misuse(self, last: str | None, from_: str | None, to: str | None) -> None:
        with pytest.raises(Misused):
            periods.period(last, from_, to, NOW)
