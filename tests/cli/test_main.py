import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.cli.process import Shell

HEAVY = ("httpx", "rich.console", "pydantic", "asyncio", "provenance_client")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A shell whose commands begin as they do for people: with Python itself."""
    return Shell(tmp_path, {})


def modules_of(shell: Shell, *arguments: str) -> str:
    """What a command imports: time itself would measure the machine."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "provenance", *arguments],
        capture_output=True,
        env=shell.environment,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


class TestUow:
    def test_prints_one_uuid_and_nothing_else(self, shell: Shell) -> None:
        done = shell.run("uow", "new")

        assert done.stdout == f"{uuid.UUID(done.stdout.strip())}\n"
        assert (done.stderr, done.returncode) == ("", 0)

    def test_loads_nothing_heavy(self, shell: Shell) -> None:
        loaded = modules_of(shell, "uow", "new")

        assert [name for name in (*HEAVY, "typer") if f" {name}\n" in loaded] == []


class TestHelp:
    def test_loads_no_network_and_no_tables(self, shell: Shell) -> None:
        loaded = modules_of(shell, "--help")

        assert [name for name in HEAVY if f" {name}\n" in loaded] == []

    def test_names_every_command(self, shell: Shell) -> None:
        shown = shell.run("--help").stdout

        for name in (
            "track",
            "search",
            "trace",
            "uow",
            "config",
            "import",
            "resource-types",
            "actions",
            "origins",
        ):
            assert f"\n  {name} " in shown

    def test_a_mistyped_command_is_usage_with_a_suggestion(self, shell: Shell) -> None:
        done = shell.run("serach")

        assert done.returncode == 2
        assert "search" in done.stderr
        assert done.stdout == ""

    def test_completion_knows_commands_and_options(self, shell: Shell) -> None:
        asked = {"_PROVENANCE_COMPLETE": "complete_bash", "COMP_WORDS": "provenance tra", "COMP_CWORD": "1"}

        assert shell.run(env=asked).stdout.split() == ["track", "trace"]

    def test_shows_its_version(self, shell: Shell) -> None:
        assert shell.run("--version").stdout.startswith("provenance ")


class TestEndings:
    def test_no_key_anywhere_is_usage_and_says_what_to_do(self, shell: Shell) -> None:
        done = shell.run("search", "-r", "user-123")

        assert done.returncode == 2
        assert "provenance up" in done.stderr
        assert "PROVENANCE_API_KEY" in done.stderr
        assert done.stdout == ""

    def test_an_absent_server_is_exit_3(self, shell: Shell) -> None:
        done = shell.run("search", "--api-url", "http://127.0.0.1:9/api", "--api-key", "pv_a_b")

        assert done.returncode == 3
        assert "provenance up" in done.stderr
        assert "Traceback" not in done.stderr

    def test_a_closed_pipe_is_silent(self, shell: Shell) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [sys.executable, "-m", "provenance", "--help"],
            stdout=writer,
            stderr=subprocess.PIPE,
            env=shell.environment,
            timeout=60,
        )
        os.close(writer)

        assert done.stderr == b""

    def test_a_full_disk_is_an_error(self, shell: Shell) -> None:
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [sys.executable, "-m", "provenance", "uow", "new"],
                stdout=full,
                stderr=subprocess.PIPE,
                env=shell.environment,
                timeout=60,
            )

        assert done.returncode == 1
        assert done.stderr.startswith(b"error: ")
        assert b"No space left" in done.stderr

    def test_a_poor_locale_still_prints(self, shell: Shell) -> None:
        done = shell.run("--help", env={"LC_ALL": "C", "PYTHONIOENCODING": "ascii"})

        assert done.returncode == 0
