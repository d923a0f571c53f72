"""Erasure on a real installation: planted canaries are searched for in every byte of the data folder."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from provenance.postgres import binaries, reach
from provenance.postgres.client import client_environment
from provenance.postgres.place import cluster_folder
from tests.durability.installation import Installation, installation
from tests.postgres.processes import wait_until

ROWS = 4_000
"""Of one person: four times what is erased at once, and more than one page of everything."""


def canaries(person: str) -> list[bytes]:
    """What only this person's rows hold, in every place that takes a text of the client's."""
    return [f"{person}-{place}".encode() for place in ("user", "thing", "note", "reference", "related", "long", "key")]


def row(number: int, person: str) -> dict[str, Any]:
    return {
        "resourceType": "ORDER",
        "action": "CREATE",
        "origin": "SHOP",
        "resourceId": f"{person}-thing-{number}",
        "userId": f"{person}-user",
        "interaction": {
            "note": f"{person}-note-{number}",
            # Some are too long for a page and are stored elsewhere, in pieces.
            "long": os.urandom(2_500).hex() + f"{person}-long" if number % 100 == 0 else "short",
        },
        "externalReference": f"{person}-reference-{number}",
        "relatedResources": [{"resourceType": "USER", "resourceId": f"{person}-related-{number % 9}", "role": "used"}],
        "idempotencyKey": f"{person}-key-{number}",
    }


def record(running: Installation, person: str, first: int, count: int) -> None:
    for at in range(first, first + count, 500):
        items = [row(number, person) for number in range(at, min(at + 500, first + count))]
        answer = httpx.post(
            f"{running.url}/api/interactions/batch", json=items, headers={"x-api-key": running.key}, timeout=60
        )
        assert answer.status_code == 201, answer.text


@contextmanager
def admin(running: Installation) -> Iterator[httpx.Client]:
    made = json.loads((running.data / "credentials.json").read_text())
    body = {"email": made["adminEmail"], "password": made["adminPassword"]}
    with httpx.Client(base_url=running.url, timeout=60) as client:
        token = client.post("/auth/login", json=body).json()["accessToken"]
        client.cookies.clear()
        client.headers["authorization"] = f"Bearer {token}"
        yield client


def erase(running: Installation, person: str) -> dict[str, Any]:
    with admin(running) as client:
        asked = client.post("/api/erasures", json={"userId": f"{person}-user", "reason": "asked for"})
        assert asked.status_code == 202, asked.text
        path = f"/api/erasures/{asked.json()['erasureId']}"
        wait_until(lambda: client.get(path).json()["status"] == "finished", 240)
        found: dict[str, Any] = client.get(path).json()
        found["note"] = client.get(found["certificate"]).text
    return found


def places(data: Path, wanted: list[bytes]) -> dict[str, list[bytes]]:
    """Return the files of the data folder, and of the cluster wherever it lies, that hold any of these bytes."""
    found = {}
    for path in {*data.rglob("*"), *cluster_folder(data).rglob("*")}:
        with contextlib.suppress(OSError):
            read = path.read_bytes() if path.is_file() else b""
            if held := [each for each in wanted if each in read]:
                found[str(path)] = held
    return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("erased") / "data") as found:
        yield found


def salts(running: Installation, person: str) -> list[bytes]:
    """Return the salts of a person's rows, some of them."""
    sql = "SELECT salt FROM interactions WHERE user_id = $1 ORDER BY number LIMIT 5"
    return [row["salt"] for row in asked(running, sql, f"{person}-user")]


def asked(running: Installation, sql: str, *values: object) -> list[Any]:
    async def fetch(dsn: str) -> list[Any]:
        connection = await asyncpg.connect(dsn)
        try:
            return list(await connection.fetch(sql, *values))
        finally:
            await connection.close()

    with reach(running.data) as dsn:
        return asyncio.run(fetch(dsn))


def command(running: Installation, *words: str) -> str:
    """Run a command on the installation's data folder; return what it says."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}
    ran = subprocess.run(
        [sys.executable, "-m", "provenance", *words, "--data", str(running.data)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout + ran.stderr


def in_plain(backup: Path) -> bytes:
    """Return what a backup holds, unpacked."""
    command = [binaries().program("pg_restore"), "--file=-", str(backup)]
    return subprocess.run(command, capture_output=True, check=True, env=client_environment("")).stdout


def test_no_byte_of_a_person_is_left_in_the_data_folder(running: Installation, tmp_path: Path) -> None:
    record(running, "zoe", 0, ROWS // 2)
    record(running, "bob", 0, 1_000)
    record(running, "zoe", ROWS // 2, ROWS // 2)
    wanted = [*canaries("zoe"), *salts(running, "zoe")]
    before = {each for held in places(running.data, wanted).values() for each in held}
    assert before == set(wanted) - {b"zoe-key"}, "the search finds what is there, in clear"
    found = erase(running, "zoe")
    assert (found["erased"], found["note"].count('step tables "rewritten"')) == (ROWS, 1)
    assert places(running.data, wanted) == {}
    assert {each for held in places(running.data, canaries("bob")).values() for each in held}
    command(running, "backup", str(tmp_path / "after.backup"))
    dumped = in_plain(tmp_path / "after.backup")
    assert (b"zoe-" in dumped, b"bob-user" in dumped) == (False, True)


def test_a_worker_that_is_killed_in_the_middle_goes_on(running: Installation) -> None:
    record(running, "cleo", 0, 4_000)
    with admin(running) as client:
        path = (
            "/api/erasures/"
            + client.post("/api/erasures", json={"userId": "cleo-user", "reason": "asked for"}).json()["erasureId"]
        )
        wait_until(lambda: 0 < client.get(path).json()["erased"] < 4_000, 30)
        pid = running.pid_of("worker")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: client.get(path).json()["status"] == "finished", 240)
        assert client.get(path).json()["erased"] == 4_000
    assert places(running.data, [b"cleo-"]) == {}


def test_a_restore_of_an_older_backup_erases_again_before_anything_is_served(
    running: Installation, tmp_path: Path
) -> None:
    record(running, "dora", 0, 1_500)
    backup = tmp_path / "before.backup"
    command(running, "backup", str(backup))
    assert b"dora-note" in in_plain(backup)
    found = erase(running, "dora")
    running.stop()
    said = command(running, "restore", str(backup), "--force")
    assert "1,500 rows" in said
    left = asked(running, "SELECT count(*) FROM interactions WHERE user_id = 'dora-user'")
    assert left[0][0] == 0
    running.start()
    with admin(running) as client:
        path = f"/api/erasures/{found['erasureId']}"
        wait_until(lambda: client.get(path).json()["status"] == "finished", 240)
        assert client.get(path).json()["reapplied"]
        assert client.get(found["certificate"]).text == found["note"]
    assert places(running.data, [b"dora-"]) == {}
