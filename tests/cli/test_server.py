"""The server's own commands, in real processes on a real data folder."""

import json
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from provenance.cli.app import build
from provenance.cli.doctor import is_optimized
from provenance.postgres import EmbeddedPostgres, reach
from tests.postgres.processes import alive, wait_until
from tests.postgres.sql import fetch
from tests.up.tree import CLEAN, Tree, free_port


def provenance(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "provenance", *arguments],
        env={**CLEAN, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


class Up(Tree):
    """A real `provenance up`."""

    def __init__(self, data: Path, **environment: str) -> None:
        port = free_port()
        command = [sys.executable, "-m", "provenance", "up", "--data", str(data), "--port", str(port)]
        self.watch(data, port, command, environment)

    @property
    def client(self) -> httpx.Client:
        key = json.loads((self.data / "credentials.json").read_text())["apiKey"]
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers={"x-api-key": key}, timeout=20)

    def track(self, resource: str) -> int:
        body = {"resourceId": resource, "resourceType": "USER", "action": "CREATE", "origin": "CLI"}
        with self.client as client:
            return client.post("/api/interactions", json=body).status_code


async def tracked(data: Path, resource: str) -> int:
    """How many interactions of a resource the folder's database holds, whether or not its server runs."""
    with reach(data) as dsn:
        found: int = await fetch(dsn, "SELECT count(*) FROM interactions WHERE resource_id = $1", resource)
    return found


@contextmanager
def up(data: Path, **environment: str) -> Iterator[Up]:
    running = Up(data, **environment)
    try:
        yield running
    finally:
        running.close()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that has seen one `up` with one interaction, and is at rest."""
    data = tmp_path_factory.mktemp("installation") / "data"
    with up(data) as first:
        first.wait_ready()
        assert first.track("user-1") == 201
    return data


@pytest.fixture
def data(installation: Path, tmp_path: Path) -> Path:
    return shutil.copytree(installation, tmp_path / "data", symlinks=True)


class TestUp:
    async def test_from_nothing_to_a_recorded_interaction_that_survives_kill_9(self, tmp_path: Path) -> None:
        data = tmp_path / "data"
        with up(data) as running:
            running.wait_ready()
            key = json.loads((data / "credentials.json").read_text())["apiKey"]
            assert key in running.printed
            assert stat.S_IMODE((data / "credentials.json").stat().st_mode) == 0o600
            assert running.track("user-1") == 201
            below = running.descendants()
            running.process.kill()
            wait_until(lambda: not [pid for pid in below if alive(pid)], 10)
        assert await tracked(data, "user-1") == 1

    async def test_while_it_runs_a_backup_is_made_a_restore_refused_and_a_stop_is_quiet(
        self, data: Path, tmp_path: Path
    ) -> None:
        file = tmp_path / "all.backup"
        with up(data) as running:
            running.wait_ready()
            wait_until(lambda: '"working"' in running.printed, 20)
            assert provenance("backup", str(file), "--data", str(data)).returncode == 0
            refused = provenance("restore", str(file), "--data", str(data), "--force")
            assert refused.returncode == 1
            assert "other connections" in refused.stderr
            assert running.track("user-2") == 201
            below = running.descendants()
            running.process.terminate()
            assert running.wait_end() == 0
            assert not [pid for pid in below if alive(pid)]
            assert "Traceback" not in running.printed
            assert json.loads((data / "credentials.json").read_text())["apiKey"] not in running.printed
        assert await tracked(data, "user-2") == 1

    def test_a_wrong_setting_is_named_without_its_value(self, data: Path) -> None:
        with up(data, PROVENANCE_POOL_SIZE="canary-7") as running:
            assert running.wait_end() == 1
            assert "PROVENANCE_POOL_SIZE" in running.printed
            assert "canary-7" not in running.printed


class TestServeAndWorker:
    @pytest.mark.parametrize("command", ["serve", "worker"])
    def test_need_a_database_of_their_own(self, tmp_path: Path, command: str) -> None:
        result = provenance(command, "--data", str(tmp_path))
        assert result.returncode == 2
        assert "DATABASE_URL" in result.stderr


class TestMigrate:
    def test_an_embedded_database_is_started_for_it_and_stopped(self, data: Path) -> None:
        result = provenance("migrate", "--data", str(data))
        assert (result.returncode, result.stderr) == (0, "")
        assert "the schema is at" in result.stdout
        assert not EmbeddedPostgres(data).status().running

    def test_a_database_of_ones_own(self, data: Path) -> None:
        with EmbeddedPostgres(data) as dsn:
            assert provenance("migrate", DATABASE_URL=dsn).returncode == 0

    def test_says_where_it_looked(self, tmp_path: Path) -> None:
        result = provenance("migrate", "--data", str(tmp_path / "none"))
        assert result.returncode == 2
        assert str(tmp_path / "none") in result.stderr


class TestDoctor:
    def test_a_sound_installation(self, data: Path) -> None:
        result = provenance("doctor", "--data", str(data), "--port", str(free_port()))
        assert result.returncode == 0, result.stdout
        found = {line[8:20].strip(): line[:8].strip() for line in result.stdout.splitlines()}
        sound = (
            "PostgreSQL",
            "runs as",
            "data folder",
            "disk",
            "port",
            "master key",
            "database",
            "migrations",
            "sandbox",
            "runtimes",
        )
        assert found == {"Python": "ok" if is_optimized() else "note", **dict.fromkeys(sound, "ok")}

    @pytest.mark.parametrize(
        ("configured", "prefix", "optimized"),
        [
            ("'--enable-shared' '--enable-optimizations'", "/opt/python", True),
            ("'--enable-shared'", "/root/.pyenv/versions/3.11.7", False),
            ("'--enable-shared'", "/usr", True),
            (None, "/opt/python", False),
        ],
    )
    def test_how_a_python_was_built(
        self, configured: str | None, prefix: str, optimized: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sysconfig, "get_config_var", {"CONFIG_ARGS": configured}.get)
        monkeypatch.setattr(sys, "base_prefix", prefix)
        assert is_optimized() is optimized

    def test_before_the_first_start_nothing_is_wrong_and_nothing_is_made(self, tmp_path: Path) -> None:
        folder = tmp_path / "none"
        result = provenance("doctor", "--data", str(folder), "--port", str(free_port()))
        assert result.returncode == 0, result.stdout
        assert not folder.exists()

    def test_a_missing_master_key_and_an_open_folder(self, data: Path) -> None:
        (data / "master.key").unlink()
        data.chmod(0o777)
        result = provenance("doctor", "--data", str(data), "--port", str(free_port()))
        assert result.returncode == 1
        failed = [line for line in result.stdout.splitlines() if line.startswith("failed")]
        assert len(failed) == 2
        assert "chmod go-w" in failed[0]
        assert "master.key is missing" in failed[1]

    def test_a_database_that_does_not_answer(self, tmp_path: Path) -> None:
        url = "postgresql://nobody:canary-7@127.0.0.1:1/none"
        result = provenance("doctor", "--data", str(tmp_path), "--port", str(free_port()), DATABASE_URL=url)
        assert result.returncode == 1
        assert "canary-7" not in result.stdout


class TestBackupAndRestore:
    async def test_there_and_back(self, data: Path, tmp_path: Path) -> None:
        file, other = tmp_path / "all.backup", tmp_path / "other"
        written = provenance("backup", str(file), "--data", str(data))
        assert written.returncode == 0, written.stderr
        assert "does not contain the master key" in written.stderr
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == ["all.backup"]
        assert provenance("restore", str(file), "--data", str(other)).returncode == 0
        assert await tracked(other, "user-1") == 1

    async def test_a_database_with_content_is_replaced_only_by_force_and_only_whole(
        self, data: Path, tmp_path: Path
    ) -> None:
        file, damaged = tmp_path / "all.backup", tmp_path / "damaged.backup"
        with EmbeddedPostgres(data):
            assert provenance("backup", str(file), "--data", str(data)).returncode == 0
            damaged.write_bytes(file.read_bytes()[: -file.stat().st_size // 200])
            half = provenance("restore", str(damaged), "--data", str(data), "--force")
            assert half.returncode == 1
            assert "changed nothing" in half.stderr
            assert await tracked(data, "user-1") == 1
            refused = provenance("restore", str(file), "--data", str(data))
            assert refused.returncode == 1
            assert "--force" in refused.stderr
            with reach(data) as dsn:
                await fetch(dsn, "CREATE TABLE of_a_newer_version AS SELECT 1")
            forced = provenance("restore", str(file), "--data", str(data), "--force")
            assert forced.returncode == 0, forced.stderr
            assert await tracked(data, "user-1") == 1
            with reach(data) as dsn:
                assert await fetch(dsn, "SELECT to_regclass('of_a_newer_version')") is None

    def test_something_else_is_no_backup(self, data: Path, tmp_path: Path) -> None:
        file = tmp_path / "letter.txt"
        file.write_text("Dear Sir")
        result = provenance("restore", str(file), "--data", str(data), "--force")
        assert result.returncode == 2
        assert "is not a backup" in result.stderr


class TestHelp:
    @pytest.mark.parametrize("command", ["up", "serve", "worker", "migrate", "doctor", "backup", "restore"])
    def test_names_the_variables(self, command: str) -> None:
        result = CliRunner().invoke(build([command]), [command, "--help"], terminal_width=200)
        assert result.exit_code == 0
        assert "PROVENANCE_DATA_DIR" in result.output
        assert "DATABASE_URL" in result.output
