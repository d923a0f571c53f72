import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from provenance.postgres import EmbeddedPostgres, FolderInUse, StartFailed, postmaster, reach
from provenance.postgres.errors import DurabilityMismatch, WrongMajor
from tests.postgres.processes import alive, supervisor, wait_until
from tests.postgres.sql import fetch


class TestStart:
    async def test_the_database_answers_and_its_role_is_no_superuser(self, tmp_path: Path) -> None:
        with EmbeddedPostgres(tmp_path) as dsn:
            assert dsn.startswith("postgresql://provenance:")
            assert await fetch(dsn, "SELECT current_database()") == "provenance"
            assert await fetch(dsn, "SELECT datcollate FROM pg_database WHERE datname = 'provenance'") == "C"
            assert await fetch(dsn, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False

    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            ("listen_addresses", ""),
            ("data_checksums", "on"),
            ("fsync", "on"),
            ("synchronous_commit", "on"),
            ("full_page_writes", "on"),
            ("wal_compression", "pglz"),
            ("jit", "off"),
            ("server_encoding", "UTF8"),
            ("log_error_verbosity", "terse"),
            ("unix_socket_permissions", "0700"),
        ],
    )
    async def test_settings(self, durable_dsn: str, setting: str, value: str) -> None:
        assert await fetch(durable_dsn, "SELECT current_setting($1)", setting) == value

    async def test_a_wrong_password_is_refused(self, durable_dsn: str) -> None:
        with pytest.raises(Exception, match="password authentication failed"):
            await fetch(durable_dsn.replace("provenance:", "provenance:x"), "SELECT 1")

    def test_secrets_and_folders_are_for_us_alone(self, tmp_path: Path) -> None:
        data = tmp_path / "data"
        with EmbeddedPostgres(data) as dsn:
            sockets = Path(dsn.partition("host=")[2])
            assert stat.S_IMODE(data.stat().st_mode) == 0o700
            assert stat.S_IMODE((data / "postgres.password").stat().st_mode) == 0o600
            assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
            assert len(os.fsencode(sockets / ".s.PGSQL.5432")) < 100
        assert not sockets.exists()

    async def test_what_was_written_is_there_after_a_restart(self, data_dir: Path) -> None:
        server = EmbeddedPostgres(data_dir)
        with server as dsn:
            await fetch(dsn, "CREATE TABLE kept AS SELECT 7 AS n")
        with server as dsn:
            assert await fetch(dsn, "SELECT n FROM kept") == 7

    def test_a_half_made_cluster_of_a_killed_attempt_is_no_obstacle(self, tmp_path: Path) -> None:
        left = tmp_path / "postgres.new.1"
        left.mkdir()
        (left / "PG_VERSION").write_text("18\n")
        with EmbeddedPostgres(tmp_path):
            assert not left.exists()

    def test_a_postmaster_that_exits_fails_at_once_with_its_log(self, data_dir: Path) -> None:
        server = EmbeddedPostgres(data_dir)
        (data_dir / "postgres" / "local.conf").write_text("shared_buffers = nonsense\n")
        with pytest.raises(StartFailed, match="nonsense"):
            server.start()
        assert server.status().state == "stopped"
        assert server.status().holder is None

    def test_settings_of_the_operator_win(self, data_dir: Path) -> None:
        server = EmbeddedPostgres(data_dir)
        (data_dir / "postgres" / "local.conf").write_text("work_mem = 9MB\n")
        with server as dsn:
            shown = subprocess.run(
                [server.place.run_as.binaries.program("psql"), dsn, "-Atc", "SHOW work_mem"],
                capture_output=True,
                check=True,
            )
        assert shown.stdout == b"9MB\n"

    def test_another_major_version_is_named(self, data_dir: Path) -> None:
        server = EmbeddedPostgres(data_dir)
        (data_dir / "postgres" / "PG_VERSION").write_text("17\n")
        with pytest.raises(WrongMajor, match="PostgreSQL 17"):
            server.start()

    @pytest.mark.parametrize("made_durable", [True, False])
    def test_durability_is_settled_when_the_folder_is_made(self, tmp_path: Path, made_durable: bool) -> None:
        with EmbeddedPostgres(tmp_path, durable=made_durable):
            pass
        with pytest.raises(DurabilityMismatch):
            EmbeddedPostgres(tmp_path, durable=not made_durable).start()


class TestOneHolder:
    def test_a_second_one_is_refused_with_the_number_of_the_first(self, data_dir: Path) -> None:
        with (
            supervisor(data_dir) as first,
            pytest.raises(FolderInUse, match=str(first.process.pid)) as refusal,
        ):
            EmbeddedPostgres(data_dir).start()
        assert refusal.value.holder == first.process.pid

    def test_status_tells_of_it_without_touching_it(self, tmp_path: Path) -> None:
        server = EmbeddedPostgres(tmp_path)
        assert server.status().state == "absent"
        with supervisor(tmp_path) as first:
            status = server.status()
            assert (status.running, status.pid, status.state) == (True, first.postmaster, "ready")
            assert status.holder == first.process.pid
        assert server.status().state == "stopped"

    async def test_reach_uses_the_running_one_and_leaves_it(self, data_dir: Path) -> None:
        with supervisor(data_dir) as first:
            with reach(data_dir) as dsn:
                assert dsn == first.dsn
                assert await fetch(dsn, "SELECT 1") == 1
            assert alive(first.postmaster)

    async def test_reach_starts_one_and_stops_it(self, tmp_path: Path) -> None:
        with reach(tmp_path) as dsn:
            assert await fetch(dsn, "SELECT 1") == 1
        assert not EmbeddedPostgres(tmp_path).status().running


class TestDeath:
    async def test_killing_the_supervisor_leaves_nothing_and_loses_nothing(self, data_dir: Path) -> None:
        with supervisor(data_dir) as first:
            await fetch(first.dsn, "CREATE TABLE kept AS SELECT 7 AS n")
            first.kill()
            wait_until(lambda: not postmaster.processes(data_dir / "postgres"), 10)
            wait_until(lambda: not alive(first.watchdog), 10)
        with EmbeddedPostgres(data_dir) as dsn:
            assert await fetch(dsn, "SELECT n FROM kept") == 7

    async def test_a_start_in_the_same_moment_waits_for_the_stopping_one(self, data_dir: Path) -> None:
        with supervisor(data_dir) as first:
            first.kill()
            server = EmbeddedPostgres(data_dir)
            with server as dsn:
                assert server.pid != first.postmaster
                assert await fetch(dsn, "SELECT 1") == 1

    async def test_a_server_that_lost_supervisor_and_watchdog_is_adopted(self, data_dir: Path) -> None:
        with supervisor(data_dir) as first:
            os.kill(first.watchdog, signal.SIGKILL)
            first.kill()
            server = EmbeddedPostgres(data_dir)
            with server as dsn:
                assert dsn == first.dsn
                assert server.pid == first.postmaster
                assert await fetch(dsn, "SELECT 1") == 1
            wait_until(lambda: not alive(first.postmaster), 1)

    def test_an_adopted_server_that_nobody_can_reach_is_replaced(self, data_dir: Path) -> None:
        with supervisor(data_dir) as first:
            os.kill(first.watchdog, signal.SIGKILL)
            first.kill()
            (Path(first.dsn.partition("host=")[2]) / ".s.PGSQL.5432").unlink()
            server = EmbeddedPostgres(data_dir)
            with server:
                assert server.pid != first.postmaster

    async def test_start_again_after_the_postmaster_was_killed(self, data_dir: Path) -> None:
        server = EmbeddedPostgres(data_dir)
        with server as dsn:
            await fetch(dsn, "CREATE TABLE kept AS SELECT 7 AS n")
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
            wait_until(lambda: server.pid is None, 5)
            assert server.start() == dsn
            assert await fetch(dsn, "SELECT n FROM kept") == 7

    def test_a_pid_file_that_names_a_stranger_is_removed(self, data_dir: Path) -> None:
        server = EmbeddedPostgres(data_dir)
        (data_dir / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{data_dir}\n1\n5432\n/tmp\n")
        with server:
            assert server.status().state == "ready"

    async def test_a_socket_lock_that_a_dead_server_left_is_no_obstacle(self, data_dir: Path) -> None:
        server = EmbeddedPostgres(data_dir)
        sockets = Path(server.prepare().partition("host=")[2])
        (sockets / ".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n")  # of a process that lives, as a zombie seems to
        with server as dsn:
            assert await fetch(dsn, "SELECT 1") == 1

    def test_stop_does_without_a_pid_file(self, data_dir: Path) -> None:
        server = EmbeddedPostgres(data_dir)
        server.start()
        pid = server.pid
        assert pid is not None
        (data_dir / "postgres" / "postmaster.pid").unlink()
        server.stop()
        assert not alive(pid)

    def test_a_killed_watchdog_is_replaced(self, data_dir: Path) -> None:
        server = EmbeddedPostgres(data_dir)
        with server:
            first = server.watchdog.pid
            os.kill(first, signal.SIGKILL)
            wait_until(lambda: server.watchdog.pid != first, 5)
            assert alive(server.watchdog.pid)
