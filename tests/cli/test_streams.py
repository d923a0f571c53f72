"""`streams`: set up, looked at, tested, rewound and deleted at a shell, against a server that may call the loopback."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from provenance.core.settings import Settings
from tests.cli.test_people import signed_in
from tests.cli.zygote import Zygote
from tests.conftest import Running, make_tenant_of, running
from tests.streams.stand_ins import SECRET, Hook, served


@pytest.fixture
async def near(settings: Settings, app: Running) -> AsyncIterator[Running]:
    async with running(settings.model_copy(update={"egress_allow": ["127.0.0.1"]})) as found:
        yield found


async def test_the_life_of_a_stream(near: Running, tmp_path: Path, zygote: Zygote) -> None:
    admin, web = await signed_in(near, await make_tenant_of(near.ledger), tmp_path, zygote)
    async with web, served(Hook()) as hook:
        target = {"kind": "webhook", "url": hook.url, "secret": SECRET, "plaintext": True}
        body = tmp_path / "stream.json"
        body.write_text(json.dumps({"name": "siem", "target": target}))
        made = json.loads(await admin.get("streams", "create", str(body), "--json"))["streamId"]
        assert "webhook" in await admin.get("streams", "list")
        tested = await admin.run("streams", "test", made)
        assert (tested.returncode, "status 200" in tested.stderr + tested.stdout) == (0, True)
        assert hook.events[0]["detail"] == {"test": True}
        for command in (("pause", made), ("resume", made), ("replay", made, "--from", "1")):
            done = await admin.run("streams", *command)
            assert (done.returncode, "siem" in done.stderr + done.stdout) == (0, True), done.stderr
        assert json.loads(await admin.get("streams", "show", made))["standing"]["acknowledgedSeq"] == 0
        hook.url = "gone"
    body.write_text("{}x")
    assert (await admin.run("streams", "update", made, str(body))).returncode == 2
    failed = await admin.run("streams", "test", made)
    assert (failed.returncode, "connection is refused" in failed.stderr) == (1, True)
    assert (await admin.run("streams", "delete", made)).returncode == 0
    assert (await admin.run("streams", "show", made)).returncode == 1
