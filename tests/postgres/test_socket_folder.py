import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from provenance.postgres.errors import UnsafeSocketFolder
from provenance.postgres.socket_folder import make_private, socket_folder


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime folder with a short name, as real ones have."""
    folder = Path(tempfile.mkdtemp(prefix="pv-run-", dir="/tmp"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    shutil.rmtree(folder)


class TestPlace:
    def test_in_the_runtime_folder_of_the_session(self, runtime: Path, tmp_path: Path) -> None:
        assert socket_folder(tmp_path, os.geteuid()).parent == runtime

    def test_not_when_that_is_open_to_others(self, runtime: Path, tmp_path: Path) -> None:
        runtime.chmod(0o755)
        assert socket_folder(tmp_path, os.geteuid()).parent == Path("/tmp")

    def test_not_when_the_path_would_be_too_long(
        self, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        deep = runtime / ("x" * 80)
        deep.mkdir(mode=0o700)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
        assert socket_folder(tmp_path, os.geteuid()).parent == Path("/tmp")

    def test_two_folders_do_not_share_one(self, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        assert socket_folder(tmp_path, 0) != socket_folder(tmp_path / "other", 0)


class TestPrivacy:
    def test_one_of_ours_is_taken_again(self, tmp_path: Path) -> None:
        folder = tmp_path / "sockets"
        for _ in range(2):
            make_private(folder, os.geteuid(), os.getegid())
        assert folder.stat().st_mode & 0o777 == 0o700

    def test_a_symbolic_link_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        link = tmp_path / "sockets"
        link.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(UnsafeSocketFolder, match="symbolic link"):
            make_private(link, os.geteuid(), os.getegid())

    def test_one_that_others_may_use_is_refused(self, tmp_path: Path) -> None:
        folder = tmp_path / "sockets"
        folder.mkdir()
        folder.chmod(0o770)
        with pytest.raises(UnsafeSocketFolder, match="mode 0770"):
            make_private(folder, os.geteuid(), os.getegid())

    def test_one_of_somebody_else_is_refused(self, tmp_path: Path) -> None:
        folder = tmp_path / "sockets"
        folder.mkdir(mode=0o700)
        with pytest.raises(UnsafeSocketFolder, match="belongs to user"):
            make_private(folder, os.geteuid() + 1, os.getegid())
