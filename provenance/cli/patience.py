"""Waiting for a server that is away or busy: which errors pass, and how long to wait between tries."""

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provenance_client.errors import ProvenanceError

FIRST = 0.25
"""Seconds before the second try."""

BUSY = frozenset({429, 502, 503, 504})
"""Statuses that say: later."""


def passes(error: "ProvenanceError") -> bool:
    """Tell whether the same request may succeed later.

    No answer at all, 429, or a server that is not ready.
    """
    return error.status is None or error.status in BUSY


class Backoff:
    """Doubling waits with jitter, up to `longest` seconds.

    A server's `Retry-After` wins when it is longer.
    """

    def __init__(self, longest: float) -> None:
        self.longest = longest
        self._step = FIRST

    def seconds(self, error: "ProvenanceError") -> float:
        """Return how long to wait before the next try."""
        step, self._step = self._step, min(self._step * 2, self.longest)
        jittered = step * random.uniform(0.5, 1.0)  # noqa: S311 - spreads clients, hides nothing
        return max(jittered, min(error.retry_after or 0.0, 60.0))

    def reset(self) -> None:
        """Start over, after a success."""
        self._step = FIRST
