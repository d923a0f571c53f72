import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from provenance.postgres import EmbeddedPostgres


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made-once")
    with EmbeddedPostgres(folder):
        pass
    return folder


@pytest.fixture
def data_dir(tmp_path: Path, made_once: Path) -> Path:
    """A data folder with an empty database: copied, which takes a tenth of making one."""
    return shutil.copytree(made_once, tmp_path / "data", symlinks=True)


@pytest.fixture(scope="module")
def durable_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The real thing, for tests that only look at it."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("durable")) as dsn:
        yield dsn
