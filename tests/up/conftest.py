import shutil
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
