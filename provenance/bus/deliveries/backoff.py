"""When a failed delivery is tried again, and whether a target is left alone for a while."""

import random

from provenance.bus.subscriptions.schemas import Backoff
from provenance.core.clock import NANOS

CIRCUIT_FAILURES = 10
"""Failures in a row, of whatever messages, after which a target is left alone."""
CIRCUIT_SECONDS = 30.0
LONGEST_CIRCUIT_SECONDS = 600.0


def longest_wait(rules: Backoff, attempts: int) -> float:
    """Return how many seconds a delivery waits at most after this many attempts, all of them failed."""
    if rules.kind == "fixed":
        return min(rules.initial_seconds, rules.max_seconds)
    return float(min(rules.max_seconds, rules.initial_seconds * 2.0 ** min(attempts - 1, 40)))


def wait(rules: Backoff, attempts: int) -> float:
    """Return how many seconds a delivery waits: at least half of the longest wait, the rest by chance."""
    return longest_wait(rules, attempts) * random.uniform(0.5, 1.0)  # noqa: S311 — spreads retries, keeps no secret


def closed_for(failures: int) -> int:
    """Return for how many nanoseconds a target is left alone after so many failures in a row; 0 when it is not."""
    if failures < CIRCUIT_FAILURES:
        return 0
    seconds = min(LONGEST_CIRCUIT_SECONDS, CIRCUIT_SECONDS * 2.0 ** min(failures - CIRCUIT_FAILURES, 10))
    return int(seconds * NANOS)
