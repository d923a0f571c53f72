import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from provenance_client import SpoolError, SpoolFull
from provenance_client.recording.folder import HeldSpool, SpoolFolder, default_folder
from provenance_client.recording.spool import Spool
from provenance_client.settings import resolve


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "a.spool", sync="normal", max_rows=1000, max_bytes=10_000)
    yield made
    made.close()


def folder(path: Path) -> SpoolFolder:
    return SpoolFolder(path, sync="normal", max_rows=10, max_bytes=10_000)


def die(held: HeldSpool) -> None:
    """What the kernel does when the process is gone: the lock drops, the file stays."""
    held.abandon()


class TestSpool:
    def test_batches_are_the_oldest_in_order(self, spool: Spool) -> None:
        for number in range(5):
            spool.append(b'{"n":%d}' % number)
        batch = spool.batch(3, 1000)
        assert batch is not None
        assert batch.content == b'{"items":[{"n":0},{"n":1},{"n":2}]}'
        assert (batch.count, batch.size, batch.numbers) == (3, 21, [1, 2, 3])

    def test_a_batch_stays_under_its_bytes_but_holds_one(self, spool: Spool) -> None:
        for body in (b'"aaaa"', b'"bbbb"', b'"cccc"'):
            spool.append(body)
        counts = [batch.count for limit in (0, 11, 12, 13, 18) if (batch := spool.batch(10, limit))]
        assert counts == [1, 1, 2, 2, 3]

    def test_discard_keeps_what_is_named(self, spool: Spool) -> None:
        for body in (b"1", b"22", b"333"):
            spool.append(body)
        batch = spool.batch(10, 1000)
        assert batch is not None
        spool.discard(batch, keep={2})
        assert (spool.rows, spool.size, spool.oldest(), spool.body(2)) == (1, 2, 2, "22")

    def test_numbers_go_on_after_the_spool_was_empty(self, spool: Spool) -> None:
        for expected in (1, 2):
            assert spool.oldest() == expected
            spool.append(b"1")
            batch = spool.batch(1, 1)
            assert batch is not None
            assert batch.numbers == [expected]
            spool.discard(batch)
        assert spool.batch(1, 1) is None

    def test_bounds(self, tmp_path: Path, spool: Spool) -> None:
        spool.append(b"x" * 10_000)
        with pytest.raises(SpoolFull):
            spool.append(b"x")
        few = Spool(tmp_path / "b.spool", sync="full", max_rows=1, max_bytes=10)
        few.append(b"1")
        with pytest.raises(SpoolFull) as caught:
            few.append(b"1")
        assert caught.value.code == "spool_full"
        few.close()

    def test_a_full_disk_is_a_full_spool(self, spool: Spool) -> None:
        spool._writer.execute("PRAGMA max_page_count=4")
        with pytest.raises(SpoolFull, match="disk"):
            spool.append(b"x" * 9_000)
        spool._writer.execute("PRAGMA max_page_count=1000")
        spool.append(b"1")
        assert spool.rows == 1

    def test_closed(self, tmp_path: Path) -> None:
        spool = Spool(tmp_path / "b.spool", sync="normal", max_rows=1, max_bytes=10)
        assert spool.close()
        with pytest.raises(SpoolError):
            spool.append(b"1")

    def test_counts_itself_when_opened_again(self, tmp_path: Path, spool: Spool) -> None:
        spool.append(b"12")
        again = Spool(spool.path, sync="normal", max_rows=1, max_bytes=10)
        assert (again.rows, again.size, again.last_number) == (1, 2, 1)
        assert not again.close()

    def test_log_comes_home(self, tmp_path: Path) -> None:
        spool = Spool(tmp_path / "b.spool", sync="normal", max_rows=10_000, max_bytes=10**9)
        for _ in range(300):
            spool.append(b"1" * 20_000)
        spool.checkpoint()
        for _ in range(300):
            spool.append(b"1" * 20_000)
        spool.checkpoint()
        assert Path(f"{spool.path}-wal").stat().st_size < 8 * 1024 * 1024
        assert spool.rows == 600
        spool.close()

    def test_threads_append_side_by_side(self, spool: Spool) -> None:
        threads = [threading.Thread(target=lambda: [spool.append(b"1") for _ in range(50)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        batch = spool.batch(1000, 1000)
        assert batch is not None
        assert batch.numbers == list(range(1, 401))


class TestSpoolFolder:
    def test_files_are_for_their_owner_only(self, tmp_path: Path) -> None:
        held = folder(tmp_path / "new" / "spool").new()
        held.spool.append(b"1")
        modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new" / "spool").iterdir()}
        assert modes == {0o600}
        assert stat.S_IMODE((tmp_path / "new" / "spool").stat().st_mode) == 0o700
        held.close()

    def test_an_empty_file_is_removed_on_closing(self, tmp_path: Path) -> None:
        folder(tmp_path).new().close()
        assert list(tmp_path.iterdir()) == []

    def test_adopts_from_the_dead_only(self, tmp_path: Path) -> None:
        place = folder(tmp_path)
        alive, dead, empty = place.new(), place.new(), place.new()
        for held in (alive, dead):
            held.spool.append(b"1")
        die(dead)
        die(empty)
        (adopted,) = place.adopt(8)
        assert adopted.spool.path == dead.spool.path
        assert place.adopt(8) == []
        assert not empty.spool.path.exists()
        adopted.close()
        alive.close()

    def test_adopts_a_few_at_a_time(self, tmp_path: Path) -> None:
        place = folder(tmp_path)
        for _ in range(5):
            held = place.new()
            held.spool.append(b"1")
            die(held)
        adopted = [place.adopt(2) for _ in range(4)]
        assert [len(some) for some in adopted] == [2, 2, 1, 0]
        for held in chain(*adopted):
            held.close()

    def test_sets_a_damaged_file_aside(self, tmp_path: Path) -> None:
        (tmp_path / "1-a.lock").touch()
        (tmp_path / "1-a.spool").write_bytes(b"this is no database, whatever its name says")
        place = folder(tmp_path)
        assert place.adopt(8) == []
        assert (tmp_path / "1-a.unreadable").exists()
        assert place.adopt(8) == []
        assert not (tmp_path / "1-a.lock").exists()

    def test_leaves_a_newer_format_alone(self, tmp_path: Path) -> None:
        held = folder(tmp_path).new()
        held.spool.append(b"1")
        held.close()
        with sqlite3.connect(held.spool.path) as connection:
            connection.execute("PRAGMA user_version=2")
        connection.close()
        assert folder(tmp_path).adopt(8) == []
        assert held.spool.path.exists()

    def test_no_folder(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(SpoolError):
            folder(tmp_path / "file" / "spool")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        with pytest.raises(SpoolError):
            folder(tmp_path).new()


def test_each_server_and_key_has_its_own_default_folder() -> None:
    one, other, third = (
        default_folder(resolve(api_url=url, api_key=key, environ={}))
        for url, key in (("http://a", "k"), ("http://b", "k"), ("http://a", "l"))
    )
    assert len({one, other, third}) == 3
