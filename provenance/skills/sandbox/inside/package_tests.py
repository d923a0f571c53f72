"""Runs a Python package's own unit tests (``tests/test_*.py``, by ``unittest``) where its handler would run."""

import io
import os
from typing import Any

from provenance.skills.sandbox.inside.jail import Place

ENTRY = "@tests"
"""What is called instead of a handler."""
FOLDER = "tests"


def run(place: Place) -> dict[str, Any]:
    """Return how many tests there are, and of those that failed the name and the last line of the reason."""
    import unittest  # not before: a call of the handler has no use for it

    folder = os.path.join(place.package, FOLDER)
    if not os.path.isdir(folder):
        return {"tests": 0, "failures": []}
    suite = unittest.TestLoader().discover(folder, top_level_dir=folder)
    result = unittest.TextTestRunner(stream=io.StringIO()).run(suite)
    failed = [
        *result.failures,
        *result.errors,
        *((case, "was expected to fail") for case in result.unexpectedSuccesses),
    ]
    return {"tests": result.testsRun, "failures": [{"name": case.id(), "reason": _last(text)} for case, text in failed]}


def _last(text: str) -> str:
    return text.strip().splitlines()[-1][:500]
