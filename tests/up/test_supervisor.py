import os
import signal
import socket
from pathlib import Path

import pytest

from provenance.postgres import EmbeddedPostgres, postmaster
from tests.postgres.processes import alive, wait_until
from tests.up.tree import tree

#: `serve` becomes both, as the real one does.
PARTED = ("serve=parts",)


class TestStart:
    def test_says_what_to_open_and_shows_the_key_once(self, data_dir: Path) -> None:
        with tree(data_dir) as first:
            first.wait_ready()
            assert f"http://localhost:{first.port}/docs" in first.printed
            assert "pv_shown_once" in first.printed
            assert str(data_dir / "credentials.json") in first.printed
            assert 'export PATH="' in first.printed
        with tree(data_dir) as second:
            second.wait_ready()
            assert "pv_shown_once" not in second.printed
            assert str(data_dir / "credentials.json") in second.printed

    def test_the_worker_begins_when_the_server_answers(self, data_dir: Path) -> None:
        with tree(data_dir) as running:
            running.wait_ready()
            wait_until(lambda: running.events() == ["serve-started", "worker-started"], 5)

    def test_a_failing_migration_ends_it_at_once_with_the_reason(self, data_dir: Path) -> None:
        with tree(data_dir, "serve=unmigrated") as running:
            assert running.wait_end() == 1
            assert "serve could not bring the database's schema up to date" in running.printed
            assert "starting it again" not in running.printed
            assert not EmbeddedPostgres(data_dir).status().running

    def test_a_second_one_on_the_folder_is_refused_with_the_number_of_the_first(self, data_dir: Path) -> None:
        with tree(data_dir) as first:
            first.wait_ready()
            with tree(data_dir) as second:
                assert second.wait_end() == 1
                assert f"in use by process {first.process.pid}" in second.printed
            assert first.answers()

    def test_a_taken_port_is_named(self, data_dir: Path) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            with tree(data_dir, port=other.getsockname()[1]) as running:
                assert running.wait_end() == 1
                assert "--port" in running.printed

    def test_a_folder_that_cannot_be_made_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with tree(tmp_path / "file" / "data") as running:
            assert running.wait_end() == 1
            assert "cannot make" in running.printed
            assert "Traceback" not in running.printed

    def test_with_a_database_of_ones_own_none_is_made(self, tmp_path: Path) -> None:
        with tree(tmp_path, environment={"DATABASE_URL": "postgresql://elsewhere/db"}) as running:
            running.wait_ready()
            assert not (tmp_path / "postgres").exists()


class TestStop:
    @pytest.mark.parametrize("tricks", [(), PARTED], ids=["apart", "siblings"])
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_stops_the_server_then_the_worker_then_the_database(
        self, data_dir: Path, number: signal.Signals, tricks: tuple[str, ...]
    ) -> None:
        with tree(data_dir, *tricks) as running:
            running.wait_ready()
            wait_until(lambda: len(running.events()) >= 2, 5)
            below = running.descendants()
            assert len(below) >= 5
            running.process.send_signal(number)
            assert running.wait_end() == 0
            assert running.events()[-2:] == ["serve-terminated", "worker-terminated"]
            assert not [pid for pid in below if alive(pid)]

    def test_while_it_starts(self, tmp_path: Path) -> None:
        with tree(tmp_path) as running:
            wait_until(lambda: (tmp_path / "postgres.lock").exists(), 10)
            running.process.terminate()
            assert running.wait_end() == 0
            assert not running.descendants()

    def test_a_second_signal_does_not_wait_for_the_stubborn(self, data_dir: Path) -> None:
        with tree(data_dir, "worker=stubborn") as running:
            running.wait_ready()
            wait_until(lambda: "worker-started" in running.events(), 5)
            running.process.terminate()
            wait_until(lambda: "worker-terminated" in running.events(), 5)
            running.process.terminate()
            assert running.wait_end(5) == 0
            assert "worker did not end in time and is killed" in running.printed


class TestDeaths:
    @pytest.mark.parametrize("tricks", [(), PARTED], ids=["apart", "siblings"])
    @pytest.mark.parametrize("role", ["serve", "worker"])
    def test_a_child_that_dies_is_started_again(self, data_dir: Path, role: str, tricks: tuple[str, ...]) -> None:
        with tree(data_dir, *tricks) as running:
            running.wait_ready()
            wait_until(lambda: len(running.events()) >= 2, 5)
            os.kill(running.pid(role), signal.SIGKILL)
            wait_until(lambda: running.events().count(f"{role}-started") == 2, 5)
            wait_until(running.answers, 5)
            assert f"{role} was ended by signal 9; starting it again" in running.printed

    def test_three_quick_deaths_are_the_end(self, data_dir: Path) -> None:
        with tree(data_dir, "worker=fails") as running:
            assert running.wait_end() == 1
            assert running.events().count("worker-failed") == 3
            assert "worker ended with status 5, 3 times in a row" in running.printed
            assert not running.descendants()

    def test_a_dead_database_is_started_again(self, data_dir: Path) -> None:
        with tree(data_dir) as running:
            running.wait_ready()
            first = EmbeddedPostgres(data_dir).status().pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            wait_until(lambda: EmbeddedPostgres(data_dir).status().pid not in (None, first), 10)

    @pytest.mark.parametrize("trick", ["", "worker=stubborn", *PARTED])
    def test_killing_the_parent_leaves_nothing_and_the_next_start_recovers(self, data_dir: Path, trick: str) -> None:
        with tree(data_dir, *filter(None, [trick])) as running:
            running.wait_ready()
            wait_until(lambda: len(running.events()) >= 2, 5)
            below = running.descendants()
            running.process.kill()
            wait_until(lambda: not [pid for pid in below if alive(pid)], 10)
            assert not postmaster.processes(data_dir / "postgres")
        with tree(data_dir) as again:
            again.wait_ready()

    def test_killing_the_parent_and_the_watchdog_is_recovered_from(self, data_dir: Path) -> None:
        with tree(data_dir) as running:
            running.wait_ready()
            watchdogs = [pid for pid in running.descendants() if b"watchdog" in _command_line(pid)]
            assert len(watchdogs) == 1
            os.kill(watchdogs[0], signal.SIGKILL)
            wait_until(lambda: any(b"watchdog" in _command_line(pid) for pid in running.descendants()), 5)
            assert running.answers()


class TestSiblings:
    """`serve` and `worker` born of one process (`provenance.up.siblings`)."""

    def test_both_are_children_of_the_parent_and_lead_groups_of_their_own(self, data_dir: Path) -> None:
        with tree(data_dir, *PARTED) as running:
            running.wait_ready()
            wait_until(lambda: len(running.events()) >= 2, 5)
            for role in ("serve", "worker"):
                fields = _stat(running.pid(role))
                assert int(fields[1]) == running.process.pid
                assert int(fields[2]) == running.pid(role)

    def test_a_process_that_dies_before_it_parts_is_started_again_alone(self, data_dir: Path) -> None:
        with tree(data_dir, "serve=dies-in-labour") as running:
            assert running.wait_end() == 1
            assert "serve was ended by signal 9, 3 times in a row" in running.printed
            assert not running.descendants()

    def test_a_sibling_that_dies_as_it_waits_is_replaced(self, data_dir: Path) -> None:
        with tree(data_dir, "serve=mourns") as running:
            running.wait_ready()
            wait_until(lambda: "worker-started" in running.events(), 5)
            assert int(_stat(running.pid("worker"))[1]) == running.process.pid

    def test_siblings_born_between_two_looks_are_taken_over_not_started_again(self, data_dir: Path) -> None:
        with tree(data_dir, "serve=parts-when-asked") as running:
            running.wait_ready()
            wait_until(lambda: len(running.events()) >= 2, 5)
            assert int(_stat(running.pid("worker"))[1]) == running.process.pid
            running.process.terminate()
            assert running.wait_end() == 0
        whole = ["serve-started", "serve-terminated", "worker-started", "worker-terminated"]
        assert sorted(running.events()) == whole

    def test_several_servers_stop_before_the_worker(self, data_dir: Path) -> None:
        with tree(data_dir, *PARTED, environment={"PROVENANCE_SERVERS": "3"}) as running:
            running.wait_ready()
            wait_until(lambda: len(running.events()) >= 4, 20)
            assert running.events()[0] == "serve-started"
            assert sorted(running.events()[1:]) == ["serve-2-started", "serve-3-started", "worker-started"]
            running.process.terminate()
            assert running.wait_end() == 0
            assert running.events()[-1] == "worker-terminated"
            assert sorted(running.events()[4:-1]) == ["serve-2-terminated", "serve-3-terminated", "serve-terminated"]

    def test_what_nobody_waits_for_is_buried(self, data_dir: Path) -> None:
        with tree(data_dir, "serve=leaves-an-orphan") as running:
            running.wait_ready()
            orphan = running.pid("orphan")
            wait_until(lambda: not Path(f"/proc/{orphan}").exists(), 20)


def _stat(pid: int) -> list[str]:
    """State, parent, process group of a process."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
