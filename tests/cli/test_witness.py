"""`provenance witness` on the database of a running installation."""

import asyncio
import uuid

import pytest

from provenance import witnessing
from provenance.core import ids
from provenance.core.addresses import AddressRefused
from tests.cli.process import Person
from tests.conftest import Running, Tenant

LOG_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


class Operator:
    """Somebody at a shell of the machine that the installation runs on."""

    def __init__(self, person: Person, app: Running) -> None:
        settings = app.ledger.settings
        self.person = person
        self.environment = {"DATABASE_URL": settings.database_url or "", "PROVENANCE_DATA_DIR": str(settings.data_dir)}

    async def done(self, *arguments: str) -> str:
        done = await self.person.run("witness", *arguments, env=self.environment)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    async def refused(self, *arguments: str) -> str:
        done = await self.person.run("witness", *arguments, env=self.environment)
        assert (done.returncode, done.stdout) == (1, ""), done
        return done.stderr


@pytest.fixture
async def operator(person: Person, app: Running) -> Operator:
    return Operator(person, app)


async def test_a_witness_is_added_shown_and_refused_twice(operator: Operator, workspace: Tenant) -> None:
    key = (await operator.done("key")).strip()
    assert key.startswith("provenance.local/witness+")
    mine = ("--workspace", workspace.id)
    url = "https://witness.example/witness"
    assert url in await operator.done("add", f"{url}/", "--key", key, *mine)
    assert "asked already" in await operator.refused("add", url, "--key", key, *mine)
    assert f"asks     {url}  {key}" in await operator.done("list", *mine)
    assert "provenance.local/witness: waiting" in await operator.person.get("log", "status")


class TestSetUp:
    """What the commands call, without a process each."""

    async def test_what_is_added_and_trusted_is_listed_until_it_is_not(self, app: Running, workspace: Tenant) -> None:
        settings, url = app.ledger.settings, "https://witness.example/witness"
        key = await asyncio.to_thread(witnessing.verifier_key, settings)
        await asyncio.to_thread(witnessing.add, settings, url, key, workspace.id)
        [made] = await asyncio.to_thread(witnessing.asked, settings, workspace.id)
        assert (made.url, made.verifier_key) == (url, key)
        await asyncio.to_thread(witnessing.remove, settings, url, workspace.id)
        assert await asyncio.to_thread(witnessing.asked, settings, workspace.id) == []
        await asyncio.to_thread(witnessing.trust, settings, "PeterNeumann", LOG_KEY)
        found = await asyncio.to_thread(witnessing.trusted, settings)
        assert [each.verifier_keys for each in found if each.origin == "PeterNeumann"] == [[LOG_KEY]]
        await asyncio.to_thread(witnessing.distrust, settings, "PeterNeumann")
        assert "PeterNeumann" not in [each.origin for each in await asyncio.to_thread(witnessing.trusted, settings)]

    async def test_what_can_not_be_set_up_is_refused_with_the_reason(self, app: Running, workspace: Tenant) -> None:
        settings, url = app.ledger.settings, "https://witness.example/witness"
        key = await asyncio.to_thread(witnessing.verifier_key, settings)
        with pytest.raises(witnessing.NotSetUp, match="not a log's"):
            await asyncio.to_thread(witnessing.trust, settings, "some.example/log", key)
        with pytest.raises(witnessing.NotSetUp, match="not a witness's"):
            await asyncio.to_thread(witnessing.add, settings, url, LOG_KEY, None)
        with pytest.raises(AddressRefused, match="Only http"):
            await asyncio.to_thread(witnessing.add, settings, "ftp://witness.example", key, None)
        for wrong in ("ws_0", "default", ids.encode("ws", uuid.uuid4())):
            with pytest.raises(witnessing.NotSetUp, match="names no workspace"):
                await asyncio.to_thread(witnessing.add, settings, url, key, wrong)
        with pytest.raises(witnessing.NotSetUp, match="No witness is asked"):
            await asyncio.to_thread(witnessing.remove, settings, url, workspace.id)
