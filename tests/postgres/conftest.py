from collections.abc import Iterator
from pathlib import Path

import pytest

from provenance.postgres import EmbeddedPostgres


@pytest.fixture(scope="module")
def durable_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The real thing, for tests that only look at it."""
    folder: Path = tmp_path_factory.mktemp("durable")
    with EmbeddedPostgres(folder) as dsn:
        yield dsn
