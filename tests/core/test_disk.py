import os
from pathlib import Path

import pytest

from provenance.core import disk
from provenance.core.disk import DiskFull, DiskGuard


def free(path: Path) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


class TestEnsure:
    def test_lets_writes_pass_while_there_is_room(self, tmp_path: Path) -> None:
        DiskGuard(tmp_path, min_free_bytes=1).ensure()

    def test_refuses_with_the_figures_and_when_to_come_back(self, tmp_path: Path) -> None:
        with pytest.raises(DiskFull) as refused:
            DiskGuard(tmp_path, min_free_bytes=free(tmp_path) * 2 + 1).ensure()
        assert (refused.value.status, refused.value.code) == (503, "disk_full")
        assert int(refused.value.headers["Retry-After"]) > 0
        assert "MB are free" in refused.value.detail

    def test_zero_turns_it_off(self, tmp_path: Path) -> None:
        DiskGuard(tmp_path / "not there", min_free_bytes=0).ensure()

    def test_looks_again_after_a_second_and_not_before(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        needed = free(tmp_path) // 2
        guard = DiskGuard(tmp_path, min_free_bytes=needed)
        guard.ensure()
        looked = guard._looked_at
        guard.ensure()
        assert guard._looked_at == looked
        monkeypatch.setattr(disk, "RECHECK_SECONDS", 0.0)
        guard.ensure()
        assert guard._looked_at > looked
