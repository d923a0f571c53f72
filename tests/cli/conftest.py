"""A shell for every test, and the stand-in server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.process import Shell
from tests.cli.stand_in import StandIn, listening

KEY = "pv_standin_0123456789abcdef"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A shell that knows no server."""
    return Shell(tmp_path, {})


@pytest.fixture
def stand_in() -> StandIn:
    """The stand-in's memory and script."""
    return StandIn()


@pytest.fixture
def stand_in_shell(tmp_path: Path, stand_in: StandIn) -> Iterator[Shell]:
    """A shell whose server is the stand-in."""
    with listening(stand_in) as url:
        yield Shell(tmp_path, {"PROVENANCE_API_URL": url, "PROVENANCE_API_KEY": KEY})
