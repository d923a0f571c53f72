"""`login`, `whoami`, `logout` against the run's server: the file they keep, and that it renews itself."""

import asyncio
import json
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from provenance.identity.device import service
from tests.cli.process import Shell
from tests.cli.zygote import Zygote
from tests.conftest import Running, Tenant
from tests.identity.conftest import Someone, make_person_of


@pytest.fixture
async def someone(app: Running, workspace: Tenant) -> Someone:
    return await make_person_of(app, workspace)


@pytest.fixture
def shell(tmp_path: Path, app: Running, zygote: Zygote) -> Shell:
    return Shell(tmp_path, {"PROVENANCE_API_URL": f"{app.url}/api"}, zygote)


def kept(shell: Shell) -> tuple[Path, dict[str, Any]]:
    path = shell.home / "config" / "provenance" / "sessions.json"
    return path, json.loads(path.read_text("utf-8"))


async def signed_in(shell: Shell, someone: Someone) -> None:
    done = await asyncio.to_thread(shell.run, "login", "--email", someone.email, stdin=f"{someone.password}\n")
    assert done.returncode == 0, done.stderr
    assert someone.password not in done.stdout + done.stderr


async def test_a_person_signs_in_acts_and_signs_out(shell: Shell, someone: Someone) -> None:
    await signed_in(shell, someone)
    path, sessions = kept(shell)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert someone.password not in json.dumps(sessions)
    told = await asyncio.to_thread(shell.run, "whoami")
    assert told.stdout.split("\t")[:2] == [someone.id, someone.email]
    listed = await asyncio.to_thread(shell.run, "origins", "list")
    assert listed.returncode == 0, listed.stderr
    assert "PLATFORM" in listed.stdout
    assert (await asyncio.to_thread(shell.run, "logout")).returncode == 0
    assert kept(shell)[1] == {}
    nobody = await asyncio.to_thread(shell.run, "whoami")
    assert nobody.returncode == 1
    assert "provenance login" in nobody.stderr


async def test_a_session_that_runs_out_renews_itself_once(shell: Shell, someone: Someone) -> None:
    await signed_in(shell, someone)
    path, sessions = kept(shell)
    [(url, session)] = sessions.items()
    path.write_text(json.dumps({url: {**session, "expiresAt": 0}}), "utf-8")
    several = await asyncio.gather(*[asyncio.to_thread(shell.run, "whoami") for _ in range(3)])
    assert [done.returncode for done in several] == [0, 0, 0]
    renewed = kept(shell)[1][url]
    assert renewed["refreshToken"] != session["refreshToken"]
    assert renewed["expiresAt"] > 0


async def test_a_session_that_is_over_is_forgotten(shell: Shell, someone: Someone) -> None:
    await signed_in(shell, someone)
    path, sessions = kept(shell)
    [(url, session)] = sessions.items()
    path.write_text(json.dumps({url: {**session, "expiresAt": 0, "refreshToken": "pvr_x"}}), "utf-8")
    assert "session_over" in (await asyncio.to_thread(shell.run, "whoami")).stderr
    assert kept(shell)[1] == {}


async def test_a_wrong_password_signs_nobody_in(shell: Shell, someone: Someone) -> None:
    done = await asyncio.to_thread(shell.run, "login", "--email", someone.email, stdin="wrong horse battery\n")
    assert done.returncode == 1
    assert "bad_credentials" in done.stderr


class TestDevice:
    @pytest.fixture(autouse=True)
    def hasty(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let devices ask again after a second."""
        monkeypatch.setattr(service, "INTERVAL_SECONDS", 1)

    async def test_it_is_signed_in_once_a_person_approves_its_code(
        self, shell: Shell, tmp_path: Path, someone: Someone
    ) -> None:
        await signed_in(shell, someone)
        begun, waiting, code = await device(shell, tmp_path)
        told = await asyncio.to_thread(shell.run, "approve-device", code)
        assert (told.returncode, told.stderr) == (0, "approved: provenance\n")
        _, errors = await asyncio.to_thread(waiting.communicate, timeout=30)
        assert waiting.returncode == 0, errors
        assert someone.email in errors
        assert (await asyncio.to_thread(begun.run, "whoami")).stdout.split("\t")[0] == someone.id

    async def test_it_is_told_when_it_is_sent_away(self, shell: Shell, tmp_path: Path, someone: Someone) -> None:
        await signed_in(shell, someone)
        _, waiting, code = await device(shell, tmp_path)
        assert (await asyncio.to_thread(shell.run, "approve-device", "--deny", code)).returncode == 0
        _, errors = await asyncio.to_thread(waiting.communicate, timeout=30)
        assert waiting.returncode == 1
        assert "denied" in errors

    async def test_nobody_approves_who_is_not_signed_in(self, shell: Shell) -> None:
        refused = await asyncio.to_thread(shell.run, "approve-device", "AAAA-BBBB")
        assert refused.returncode == 1
        assert "provenance login" in refused.stderr


async def device(shell: Shell, folder: Path) -> tuple[Shell, subprocess.Popen[str], str]:
    """Begin to sign in from a second home; return its shell, the command that waits, and the code it shows."""
    there = Shell(folder / "device", shell.settings)
    there.home.mkdir()
    waiting = there.start("login", "--device")
    assert waiting.stderr is not None
    code = (await asyncio.to_thread(waiting.stderr.readline)).split()[-1]
    return there, waiting, code
