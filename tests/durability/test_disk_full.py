"""A disk that fills up under the data folder: a clear answer, nothing half-written, and all is well once there is room.

The disk is a small file system of its own. An ordinary user may not mount one; then the guard is what is tested, with
a threshold above what the real disk has free.
"""

import asyncio
import json
import os
import random
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.durability.clients import Connection, event
from tests.durability.installation import Installation, installation
from tests.postgres.processes import wait_until

DISK, RESERVE = 400, 64
"""Megabytes. The reserve holds a few segments of the write-ahead log, which are taken 16 MB at a time."""
MB = 1 << 20


def can_mount() -> bool:
    return os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], check=False).returncode == 0


needs_mount = pytest.mark.skipif(not can_mount(), reason="only root may mount a small file system")


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}M,mode=0711", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def fill(folder: Path, leave: int) -> Path:
    """Take up all space but ``leave`` bytes."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        while (room := free(folder) - leave) >= 4096:
            file.write(bytes(min(room, MB)))
            file.flush()
    return ballast


def large(chance: random.Random) -> dict[str, Any]:
    """About 200 KB that do not compress."""
    return {**event(1), "interaction": {"noise": chance.randbytes(100_000).hex()}}


async def post_until_refused(running: Installation, seconds: float = 60) -> tuple[list[tuple[int, str]], Any]:
    """Post large rows until an answer is not 201; return what was acknowledged, and that answer."""
    chance, acknowledged = random.Random(1), []
    connection = Connection(running)
    try:
        async with asyncio.timeout(seconds):
            while True:
                answer = await connection.post("/api/interactions", large(chance), x_span_id=str(uuid.uuid4()))
                if answer[0] != 201:
                    return acknowledged, answer
                acknowledged.append((answer[2]["interactionNumber"], answer[2]["interactionId"]))
    finally:
        connection.close()


async def post(running: Installation) -> int:
    connection = Connection(running)
    try:
        return (await connection.post("/api/interactions", event(2), x_span_id=str(uuid.uuid4())))[0]
    finally:
        connection.close()


async def check(running: Installation, acknowledged: list[tuple[int, str]]) -> None:
    rows = await running.rows()
    assert [number for number, _, _ in rows] == list(range(1, len(rows) + 1))
    assert set(acknowledged) <= {(number, row_id) for number, row_id, _ in rows}


def assert_refusal(answer: tuple[int, dict[str, str], Any], code: str) -> None:
    status, headers, problem = answer
    assert (status, problem["code"]) == (503, code), problem
    assert headers["content-type"] == "application/problem+json"
    assert int(headers["retry-after"]) > 0


@needs_mount
async def test_on_a_small_disk_the_guard_refuses_before_it_is_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        limit = str(RESERVE * MB)
        with installation(disk / "data", PROVENANCE_MIN_FREE_BYTES=limit) as running:
            assert await post(running) == 201
            ballast = fill(disk, (RESERVE + 8) * MB)
            acknowledged, refusal = await post_until_refused(running)
            assert_refusal(refusal, "disk_full")
            assert running.postmaster_alive()
            with httpx.Client(base_url=running.url, headers={"x-api-key": running.key}) as client:
                read = client.get("/api/interactions", params={"limit": 5})
                assert read.status_code == 200, "reading goes on"
                assert read.json()["pagination"]["total"] == len(acknowledged) + 1
            ballast.unlink()
            await asyncio.to_thread(wait_until, lambda: asyncio.run(post(running)) == 201, 10)
            await check(running, acknowledged)


@needs_mount
async def test_on_a_small_disk_without_the_guard_nothing_is_half_written(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        running = Installation(disk / "data", PROVENANCE_MIN_FREE_BYTES="0")
        running.start()
        try:
            ballast = fill(disk, 12 * MB)
            acknowledged, (status, headers, problem) = await post_until_refused(running)
            assert status == 503, problem
            assert headers["content-type"] == "application/problem+json"
            ballast.unlink()
            if not await asyncio.to_thread(running.recovers):
                running.start()
            assert await post(running) == 201
            await check(running, acknowledged)
        finally:
            running.stop()


async def test_the_guard_refuses_writes_and_lets_reads_pass(tmp_path: Path) -> None:
    """For an ordinary user: the real disk, and a threshold above what it has."""
    too_much = str(free(tmp_path) * 10)
    with installation(tmp_path / "data", PROVENANCE_MIN_FREE_BYTES=too_much) as running:
        _, refusal = await post_until_refused(running)
        assert_refusal(refusal, "disk_full")
        assert json.dumps(refusal[2]).count("MB") >= 2, "the figures are named"
        read = httpx.get(running.url + "/api/interactions", headers={"x-api-key": running.key})
        assert read.json()["pagination"]["total"] == 0
