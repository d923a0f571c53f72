"""`provenance export`: a whole file or none, across every break, and checked."""

import asyncio
import csv
import json
import os
import pty
import subprocess
import sys
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from provenance.ledger.log.heads import Heads
from provenance.ledger.log.integrating import Integrator
from tests.cli.process import Person, Shell
from tests.cli.zygote import Zygote
from tests.conftest import Running, Tenant
from tests.ledger.rows import post
from tests.ledger.test_log import id_of

UOW = "0a1b2c3d-0000-4000-8000-00000000000a"
ROWS = 900
FORMATS = ["ndjson", "csv", "ocsf", "cloudevents", "prov-json", "prov-n", "in-toto"]


@pytest.fixture
async def recorded(client: httpx.AsyncClient, app: Running, workspace: Tenant, tmp_path: Path) -> httpx.AsyncClient:
    """Rows for several pages, signed."""
    items = [{"resourceId": f"order-{n % 3}", "interaction": {"n": n, "text": "a\nb"}} for n in range(ROWS)]
    await post(client, [{**item, "uowId": UOW} if n < 30 else item for n, item in enumerate(items)])
    await Integrator(app.ledger, Heads(tmp_path / "heads")).integrate([id_of(workspace)])
    return client


class Faulty:
    """A road to the server that cuts each connection after so many bytes of the answer; then it holds."""

    def __init__(self, url: str, cuts: list[int]) -> None:
        self._to, self._cuts = urlsplit(url), cuts
        self._travelling: set[asyncio.Task[None] | None] = set()
        self.passed = 0
        self.port = 0

    async def open(self) -> asyncio.Server:
        server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.passed += 1
        self._travelling.add(asyncio.current_task())
        left = self._cuts.pop(0) if self._cuts else sys.maxsize
        onward_reader, onward = await asyncio.open_connection(self._to.hostname, self._to.port)
        try:
            onward.write(await reader.readuntil(b"\r\n\r\n"))
            while left > 0 and (data := await onward_reader.read(min(65536, left))):
                writer.write(data)
                left -= len(data)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            left = 0
        finally:
            onward.transport.abort()
            writer.close() if left else writer.transport.abort()
            await asyncio.sleep(0)

    async def clear(self) -> None:
        """Stop everyone who is still on the road: their clients are gone, and servers keep connections for seconds."""
        travelling = [each for each in self._travelling if each]
        for each in travelling:
            each.cancel()
        await asyncio.gather(*travelling, return_exceptions=True)


@pytest.fixture
async def faulty(app: Running) -> AsyncIterator[Faulty]:
    road = Faulty(app.url, [])
    server = await road.open()
    yield road
    server.close()
    await road.clear()


@pytest.fixture
def traveller(tmp_path: Path, faulty: Faulty, workspace: Tenant, zygote: Zygote) -> Person:
    """Somebody whose road to the server is a bad one."""
    settings = {"PROVENANCE_API_URL": f"http://127.0.0.1:{faulty.port}/api", "PROVENANCE_API_KEY": workspace.key}
    return Person(Shell(tmp_path, settings, zygote))


class TestExport:
    @pytest.mark.parametrize("name", FORMATS)
    async def test_every_format(self, person: Person, recorded: httpx.AsyncClient, tmp_path: Path, name: str) -> None:
        file = tmp_path / "out"
        done = await person.run("export", "--format", name, "-o", str(file), "--uow", UOW)
        assert (done.returncode, done.stderr) == (0, "")
        digest = sha256(file.read_bytes()).hexdigest()
        assert f"SHA-256 {digest}" in done.stdout
        assert ("30 records out of the first 900 of provenance.local/" in done.stdout) == (name in FORMATS[:4])
        assert sorted(each.name for each in tmp_path.glob("out*")) == ["out"]

    async def test_filters_and_json(self, person: Person, recorded: httpx.AsyncClient, tmp_path: Path) -> None:
        file = tmp_path / "orders.csv"
        options = ["-r", "order-1", "-a", "CREATE", "-t", "ORDER", "--where", "interaction.n < 100", "--last", "1d"]
        told = json.loads(await person.get("export", "-o", str(file), *options, "--proofs", "inline", "--json"))
        with file.open(newline="") as opened:
            *rows, _ = csv.DictReader(opened)
        assert [row["interactionNumber"] for row in rows] == [str(n + 1) for n in range(1, 100, 3)]
        assert all(json.loads(row["jsonProof"])["treeSize"] == ROWS for row in rows)
        assert told["manifest"]["filter"].keys() == {"action", "resourceId", "resourceType", "startDate", "where"}
        assert told["sha256"] == sha256(file.read_bytes()).hexdigest()

    async def test_a_limit_says_that_there_is_more(
        self, person: Person, recorded: httpx.AsyncClient, tmp_path: Path
    ) -> None:
        done = await person.run("export", "-o", str(tmp_path / "a.ndjson"), "--limit", "5")
        assert done.returncode == 0
        assert "There are more" in done.stderr

    async def test_what_is_refused_leaves_no_file(
        self, person: Person, recorded: httpx.AsyncClient, tmp_path: Path
    ) -> None:
        done = await person.run("export", "-o", str(tmp_path / "a.ndjson"), "--where", "nonsense (")
        assert done.returncode == 1
        assert "where" in done.stderr
        done = await person.run("export", "-o", str(tmp_path / "a.intoto.json"))
        assert "uowId" in done.stderr
        assert list(tmp_path.glob("a.*")) == []
        for wrong in (
            ["-o", str(tmp_path / "a.unknown")],
            ["-o", str(tmp_path)],
            ["-o", str(tmp_path / "no" / "a.csv")],
        ):
            assert (await person.run("export", *wrong)).returncode == 2

    async def test_a_bar_shows_how_far_it_is(self, person: Person, recorded: httpx.AsyncClient, tmp_path: Path) -> None:
        master, slave = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "provenance", "export", "-o", str(tmp_path / "a.ndjson")],
            stdout=subprocess.DEVNULL,
            stderr=slave,
            env={**person.shell.environment, "TERM": "xterm-256color", "COLUMNS": "100"},
        )
        os.close(slave)
        text = b""
        while chunk := await asyncio.to_thread(_read, master):
            text += chunk
        os.close(master)
        assert process.wait(timeout=20) == 0
        assert b"Export" in text
        assert f"{ROWS}/{ROWS}".encode() in text


class TestBreaks:
    @pytest.mark.parametrize("name", ["ndjson", "csv", "cloudevents", "prov-json"])
    async def test_it_goes_on_by_itself(
        self,
        person: Person,
        traveller: Person,
        faulty: Faulty,
        recorded: httpx.AsyncClient,
        tmp_path: Path,
        name: str,
    ) -> None:
        faulty._cuts[:] = [700, 100, 20_000, 41_234, 900]
        done = await traveller.run("export", "-f", name, "-o", str(tmp_path / "broken"))
        assert done.returncode == 0, done.stderr
        assert faulty.passed == 6
        assert "Waiting: " in done.stderr
        await person.get("export", "-f", name, "-o", str(tmp_path / "whole"))
        broken, whole = ((tmp_path / each).read_bytes() for each in ("broken", "whole"))
        assert broken.splitlines()[:-2] == whole.splitlines()[:-2], "all but the manifest, which tells the time"
        assert len(broken) == len(whole)

    async def test_another_run_goes_on_with_resume(
        self, traveller: Person, faulty: Faulty, recorded: httpx.AsyncClient, tmp_path: Path
    ) -> None:
        faulty._cuts[:] = [50_000]
        file = tmp_path / "a.ndjson"
        done = await traveller.run("export", "-o", str(file), "-r", "order-2", "--wait", "0")
        assert done.returncode == 3
        assert "--resume" in done.stderr
        assert not file.exists()
        part = file.with_name("a.ndjson.part").read_bytes()
        assert len(part) > 40_000
        done = await traveller.run("export", "-o", str(file), "--resume")
        assert (done.returncode, done.stderr) == (0, "")
        assert file.read_bytes().startswith(part)
        assert f"{ROWS // 3} records" in done.stdout
        assert list(tmp_path.glob("*.part*")) == []

    async def test_a_file_that_was_changed_is_not_passed_off_as_whole(
        self, traveller: Person, faulty: Faulty, recorded: httpx.AsyncClient, tmp_path: Path
    ) -> None:
        faulty._cuts[:] = [50_000]
        file, part = tmp_path / "a.ndjson", tmp_path / "a.ndjson.part"
        await traveller.run("export", "-o", str(file), "--wait", "0")
        part.write_bytes(part.read_bytes().replace(b"order-1", b"order-9", 1))
        done = await traveller.run("export", "-o", str(file), "--resume")
        assert done.returncode == 1
        assert "not what its manifest says" in done.stderr
        assert not file.exists()

    async def test_a_damaged_journal_is_named(self, person: Person, tmp_path: Path) -> None:
        (tmp_path / "a.ndjson.part.json").write_text("{")
        done = await person.run("export", "-o", str(tmp_path / "a.ndjson"), "--resume")
        assert (done.returncode, "can't be read" in done.stderr) == (2, True)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other side is closed
        return b""
