"""`provenance datastores`: files go in and come out, whole."""

import asyncio
import json
import random
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from provenance_client import Client, ProvenanceError
from provenance_client import datastores as client_datastores
from provenance_client.datastores import fetch, send
from tests.cli.process import Person
from tests.conftest import Running, Tenant


class TestCommands:
    async def test_from_file_to_file(self, person: Person, tmp_path: Path) -> None:
        datastore_id = (await person.get("datastores", "create", "reports", "--retention-days", "30")).strip()
        there, back = tmp_path / "may.csv", tmp_path / "back.csv"
        there.write_bytes(b"month,total\n5,750\n")
        put = json.loads(await person.get("datastores", "put", "reports", str(there), "a/ä.csv", "--new"))
        assert put == {
            "datastoreId": datastore_id,
            "key": "a/ä.csv",
            "sha256": sha256(there.read_bytes()).hexdigest(),
        }
        again = await person.run("datastores", "put", "reports", str(there), "a/ä.csv", "--new")
        assert (again.returncode, "object_exists" in again.stderr) == (1, True)
        [listed] = (await person.get("datastores", "ls", "reports", "a/", "--json")).splitlines()
        assert (json.loads(listed)["contentType"], json.loads(listed)["sizeBytes"]) == ("text/csv", 18)
        table = await person.get("datastores", "list")
        assert table.split() == ["Name", "Objects", "Bytes", "Id", "reports", "1", "18", datastore_id]
        got = await person.run("datastores", "get", datastore_id, "a/ä.csv", str(back))
        assert (got.returncode, got.stderr.startswith(f"{back}: 18 bytes")) == (0, True)
        assert back.read_bytes() == there.read_bytes()
        assert await person.get("datastores", "get", "reports", "a/ä.csv", "-") == there.read_text()
        assert json.loads(await person.get("datastores", "rm", "reports", "a/ä.csv")) == {
            "key": "a/ä.csv",
            "deleted": True,
        }
        gone = await person.run("datastores", "get", "reports", "a/ä.csv", str(back))
        assert (gone.returncode, "object_not_found" in gone.stderr) == (1, True)
        assert sorted(each.name for each in tmp_path.glob("*.csv*")) == ["back.csv", "may.csv"]

    async def test_one_that_is_not_there(self, person: Person) -> None:
        done = await person.run("datastores", "ls", "nowhere")
        assert (done.returncode, "datastores create nowhere" in done.stderr) == (1, True)
        assert (await person.run("datastores", "list")).stderr.strip() == "Nothing found."


class TestClient:
    @pytest.fixture
    def parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(client_datastores, "PART_BYTES", 100_000)
        monkeypatch.setattr(client_datastores, "PAUSE_SECONDS", 0.001)

    async def test_goes_on_where_the_connection_broke(
        self, app: Running, workspace: Tenant, tmp_path: Path, parts: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        content = random.Random(3).randbytes(450_000)
        (tmp_path / "it").write_bytes(content)
        broken = iter([False, True, False, False, True, True] + [False] * 50)
        real = httpx.Client.put

        def put(self: httpx.Client, *args: object, **more: object) -> httpx.Response:
            answer = real(self, *args, **more)
            if next(broken):
                raise httpx.ReadError("the answer got lost")
            return answer

        seen: list[int] = []

        def work() -> None:
            with Client(api_url=f"{app.url}/api", api_key=workspace.key) as api:
                made = api.call("POST", "/datastores", json={"name": "d"}, at_root=True)
                with monkeypatch.context() as patched:
                    patched.setattr(httpx.Client, "put", put)
                    send(api, made["datastoreId"], tmp_path / "it", "it", progress=seen.append)
                fetch(api, made["datastoreId"], "it", tmp_path / "back", progress=seen.append)
                with pytest.raises(ProvenanceError, match="nothing under"):
                    fetch(api, made["datastoreId"], "i", tmp_path / "none")

        await asyncio.to_thread(work)
        assert (tmp_path / "back").read_bytes() == content
        assert not (tmp_path / "none").exists()
        assert seen[-1] == 450_000
