"""A stand-in server and recorders towards it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from provenance_client import SyncProvenance, create_sync
from tests.client.standin import KEY, StandIn


@pytest.fixture
def server() -> Iterator[StandIn]:
    standin = StandIn()
    yield standin
    standin.close()


MakeRecorder = Callable[..., SyncProvenance]


@pytest.fixture
def recording(server: StandIn, tmp_path: Path) -> Iterator[MakeRecorder]:
    """Makes recorders towards the stand-in; each is closed in the end."""
    made: list[SyncProvenance] = []

    def make(**options: Any) -> SyncProvenance:
        arguments = {"api_url": server.url, "api_key": KEY, "origin": "TEST", "spool_dir": tmp_path / "spool"}
        made.append(create_sync(**{**arguments, **options}))
        return made[-1]

    yield make
    for provenance in made:
        provenance.close(timeout=0.2)
