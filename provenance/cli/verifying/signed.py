"""Waiting until the log has signed what was recorded a moment ago, or erased."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_CODES = ("not_integrated", "map_behind", "not_cosigned", "not_certified")
_PAUSE = 0.2


def until_signed(ask: Callable[[], T], seconds: float) -> T:
    """Ask, and again while the answer is that nothing is signed yet; the last such answer is raised."""
    from provenance_client import NotFound

    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except NotFound as error:
            if error.code not in _CODES or time.monotonic() >= deadline:
                raise
        time.sleep(_PAUSE)
