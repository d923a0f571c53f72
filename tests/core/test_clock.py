"""Times: nanoseconds inside, ISO 8601 outside, and a clock that never runs back."""

import contextlib
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.core.clock import MAX_NANOS, NANOS, iso_millis, nanos, now_ns, parse_iso, utc

moments = st.integers(0, MAX_NANOS)


class TestParseIso:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-01-31T12:00:00.123Z", 1769860800_123000000),
            ("2026-01-31T12:00:00.123456+00:00", 1769860800_123456000),
            ("2026-01-31T12:00:00.123456789Z", 1769860800_123456789),
            ("2026-01-31T12:00:00.1234567890Z", 1769860800_123456789),
            ("2026-01-31t12:00:00z", 1769860800_000000000),
            ("2026-01-31 14:00:00+02:00", 1769860800_000000000),
            ("2026-01-31T14:00:00+0200", 1769860800_000000000),
            ("2026-01-31T06:30:00,5-05:30", 1769860800_500000000),
            ("  2026-01-31T12:00:00Z ", 1769860800_000000000),
            ("2016-12-31T23:59:60Z", 1483228800_000000000),
            ("2024-02-29T00:00:00Z", 1709164800_000000000),
            ("2262-04-11T23:47:16.854775807Z", MAX_NANOS),
        ],
    )
    def test_reads(self, text: str, expected: int) -> None:
        assert parse_iso(text) == expected

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "now",
            "2026-01-31",
            "2026-01-31T12:00:00",
            "2026-01-31T12:00Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-31T24:00:00Z",
            "2026-01-31T12:60:00Z",
            "2026-01-31T12:00:61Z",
            "2026-01-31T12:00:00+24:00",
            "2026-01-31T12:00:00+01:60",
            "2026-01-31T12:00:00.Z",
            "2026-01-31T12:00:00.1234567891Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "2262-04-11T23:47:16.854775808Z",
            "9999-12-31T23:59:59Z",
            "\u0662026-01-31T12:00:00Z",
            "2026-01-31T12:00:00Z\0",
            "0000-01-01T00:00:00Z",
        ],
    )
    def test_refuses(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"."):
            parse_iso(text)

    @given(st.text(max_size=40))
    def test_raises_nothing_but_value_errors(self, text: str) -> None:
        with contextlib.suppress(ValueError):
            assert 0 <= parse_iso(text) <= MAX_NANOS

    @given(moments, st.integers(-23 * 60 - 59, 23 * 60 + 59))
    def test_an_offset_names_the_same_moment(self, ns: int, minutes: int) -> None:
        local = datetime.fromtimestamp(ns // NANOS, tz=UTC) + timedelta(minutes=minutes)
        sign = "-" if minutes < 0 else "+"
        zone = f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
        assert parse_iso(f"{local:%Y-%m-%dT%H:%M:%S}.{ns % NANOS:09d}{zone}") == ns


class TestIsoMillis:
    @given(moments)
    def test_reads_back_to_the_millisecond(self, ns: int) -> None:
        text = iso_millis(ns)
        assert parse_iso(text) == ns - ns % 1_000_000
        assert text == f"{utc(ns):%Y-%m-%dT%H:%M:%S}.{ns % NANOS // 1_000_000:03d}Z"

    def test_is_cut_never_rounded(self) -> None:
        assert iso_millis(NANOS - 1) == "1970-01-01T00:00:00.999Z"


class TestDatetimes:
    @given(moments)
    def test_there_and_back_to_the_microsecond(self, ns: int) -> None:
        assert nanos(utc(ns)) == ns - ns % 1000

    def test_an_offset_is_taken_off(self) -> None:
        assert nanos(datetime.fromisoformat("1970-01-01T01:00:00+01:00")) == 0


class TestNow:
    def test_never_runs_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        first = now_ns()
        monkeypatch.setattr(time, "time_ns", lambda: first - NANOS)
        assert now_ns() == first
        monkeypatch.setattr(time, "time_ns", lambda: first + 5)
        assert now_ns() == first + 5
