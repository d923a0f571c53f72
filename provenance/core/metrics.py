"""Figures of the requests, counted in plain integers and shaped for Prometheus only when somebody asks.

The client library's own counters lock and look up labels on every call, several microseconds a request; this
process has one event loop, so an addition needs no lock.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator

import msgspec
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import REGISTRY, Collector

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram, in seconds."""


class _Seconds:
    """The durations of one method and route."""

    __slots__ = ("buckets", "total")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.total = 0.0


class Counted(msgspec.Struct):
    """What one process has counted, to be handed to another."""

    requests: list[tuple[str, str, int, int]]
    """Method, route, status, how many."""
    seconds: list[tuple[str, str, list[int], float]]
    """Method, route, requests by bucket, seconds in all."""


class RequestFigures(Collector):
    """Counts answered requests by method, route and status, and their durations by method and route."""

    def __init__(self) -> None:
        """Start at nothing."""
        self._requests: dict[tuple[str, str, int], int] = {}
        self._seconds: dict[tuple[str, str], _Seconds] = {}
        self.beside: Callable[[], Iterable[Counted]] = tuple
        """What processes have counted that share our address."""

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        key = (method, route, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        durations = self._seconds.get((method, route))
        if durations is None:
            durations = self._seconds[method, route] = _Seconds()
        durations.buckets[bisect_left(BOUNDS, seconds)] += 1
        durations.total += seconds

    def counted(self) -> Counted:
        """Return a copy of everything counted so far."""
        return Counted(
            [(*key, count) for key, count in self._requests.items()],
            [(*key, list(found.buckets), found.total) for key, found in self._seconds.items()],
        )

    def add(self, other: Counted) -> None:
        """Count what another has counted."""
        for method, route, status, count in other.requests:
            key = (method, route, status)
            self._requests[key] = self._requests.get(key, 0) + count
        for method, route, buckets, total in other.seconds:
            durations = self._seconds.setdefault((method, route), _Seconds())
            durations.buckets = [a + b for a, b in zip(durations.buckets, buckets, strict=True)]
            durations.total += total

    def collect(self) -> Iterator[Metric]:
        """Shape the figures of all processes that share our address for Prometheus."""
        whole = RequestFigures()
        for part in (self.counted(), *self.beside()):
            whole.add(part)
        return whole._shaped()

    def _shaped(self) -> Iterator[Metric]:
        answered = CounterMetricFamily(
            "provenance_http_requests", "Answered requests.", labels=["method", "route", "status"]
        )
        for (method, route, status), count in self._requests.items():
            answered.add_metric([method, route, str(status)], count)
        yield answered
        durations = HistogramMetricFamily(
            "provenance_http_request_seconds",
            "Time from the first byte read to the last byte written.",
            labels=["method", "route"],
        )
        for (method, route), seconds in self._seconds.items():
            running, buckets = 0, []
            for bound, count in zip([*map(str, BOUNDS), "+Inf"], seconds.buckets, strict=True):
                running += count
                buckets.append((bound, running))
            durations.add_metric([method, route], buckets, seconds.total)
        yield durations


REQUESTS = RequestFigures()
REGISTRY.register(REQUESTS)
