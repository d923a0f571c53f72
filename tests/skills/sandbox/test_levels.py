"""Every attempt of `test_escapes` again, at the levels that the sandbox reaches without root's rights."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from provenance.skills.sandbox.errors import RuntimeUnavailable
from provenance.skills.sandbox.inside.jail import Level
from provenance.skills.sandbox.level import described, missing, name
from provenance.skills.sandbox.runner import Sandbox
from provenance.skills.sandbox.schemas import Job, Runtime

ROOT = Path(__file__).resolve().parents[3]
NOTHING = Level(landlock=0, seccomp=False, mounts=False, network=False, own_user=False)
FULL = Level(landlock=7, seccomp=True, mounts=True, network=True, own_user=True)


ALONE = "--noconftest -p tests.skills.sandbox.conftest -p pytest_asyncio.plugin -p pytest_timeout -p no:cacheprovider"
"""The fixtures of this folder alone: those of the whole suite, and its plugins, take seconds to import."""
CHOSEN = "Files or AF_INET or AF_UNIX or fork_bomb or other_means or not_root or traced or signalled or growing or loop"


async def python(*arguments: str) -> tuple[int, str]:
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.skills.sandbox.lesser",
        *arguments,
        cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await started.communicate()
    assert started.returncode is not None
    return started.returncode, said.decode()


@pytest.mark.parametrize(("how", "reached"), [("namespaces", "full"), ("files", "files")])
async def test_what_escapes_nowhere_as_root_escapes_nowhere_here(how: str, reached: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: lesser levels are made by root")
    tests = ["tests/skills/sandbox/test_escapes.py", "-k", CHOSEN]
    status, said = await python(how, "-m", "pytest", "-q", "-s", *ALONE.split(), *tests)
    if f"tested here: {reached}" not in said:
        pytest.skip(f"NOT TESTED: this machine does not give {reached} that way: {said[-500:]}")
    assert status == 0, said[-4_000:]


class TestRefusal:
    def test_a_level_without_a_jail_is_none(self) -> None:
        assert (name(NOTHING), name(FULL), name(FULL._replace(network=False))) == ("none", "full", "files")
        for level, words in (
            (NOTHING, "no Landlock"),
            (FULL._replace(seccomp=False), "seccomp"),
            (FULL._replace(mounts=False), "as root it needs mounts"),
        ):
            assert not level.confined
            assert words in missing(level)
            assert described(level).startswith("none (")

    async def test_where_nothing_confines_code_it_is_refused_unless_that_was_set(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o755)
        (tmp_path / "main.py").write_text("def run(input):\n    return 1\n")
        job = Job(runtime=Runtime.PYTHON3, package=tmp_path, entry="main:run", input=None)
        refusing, allowing = Sandbox(slots=1), Sandbox(slots=1, unconfined=True)
        try:
            (await refusing.server(Runtime.PYTHON3)).level = NOTHING
            (await allowing.server(Runtime.PYTHON3)).level = NOTHING
            with pytest.raises(RuntimeUnavailable, match="no Landlock"):
                await refusing.run(job)
            assert (await allowing.run(job)).output == 1
        finally:
            await refusing.close()
            await allowing.close()


class TestLoss:
    async def test_a_server_that_died_is_started_again(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o755)
        (tmp_path / "main.py").write_text("import time\ndef run(input):\n    time.sleep(input)\n    return 1\n")
        sandbox = Sandbox(slots=2)
        try:
            slow = asyncio.create_task(
                sandbox.run(Job(runtime=Runtime.PYTHON3, package=tmp_path, entry="main:run", input=30))
            )
            quick = Job(runtime=Runtime.PYTHON3, package=tmp_path, entry="main:run", input=0)
            assert (await sandbox.run(quick)).output == 1
            server = await sandbox.server(Runtime.PYTHON3)
            server._process.kill()
            lost = await slow
            assert lost.error is not None
            assert lost.error["code"] == "sandbox_failed"
            assert (await sandbox.run(quick)).output == 1
        finally:
            await sandbox.close()

    async def test_a_cancelled_call_is_killed(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o755)
        (tmp_path / "main.py").write_text("def run(input):\n    while True: pass\n")
        sandbox = Sandbox(slots=1)
        job = Job(runtime=Runtime.PYTHON3, package=tmp_path, entry="main:run", input=None)
        try:
            server = await sandbox.server(Runtime.PYTHON3)
            call = asyncio.create_task(sandbox.run(job))
            async with asyncio.timeout(20):
                while not server._calls:
                    await asyncio.sleep(0.001)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            async with asyncio.timeout(20):
                while server._calls:
                    await asyncio.sleep(0.01)
        finally:
            await sandbox.close()
