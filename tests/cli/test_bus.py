"""`bus`: published, pulled, subscribed, given up and tried again at a shell."""

import json
from pathlib import Path

from tests.cli.test_people import signed_in
from tests.cli.zygote import Zygote
from tests.conftest import Running, make_tenant_of


async def test_a_message_from_hand_to_hand(app: Running, tmp_path: Path, zygote: Zygote) -> None:
    admin, web = await signed_in(app, await make_tenant_of(app.ledger), tmp_path, zygote)
    async with web:
        body = tmp_path / "queue.json"
        delivery = {"maxAttempts": 1, "leaseSeconds": 1}
        queue = {"name": "queue", "topicPattern": "orders/#", "target": {"kind": "queue"}, "delivery": delivery}
        body.write_text(json.dumps(queue))
        made = json.loads(await admin.get("bus", "subscriptions", "create", str(body), "--json"))["subscriptionId"]
        assert "1 subscriptions get it" in await told(admin, "publish", "orders/created", '{"n": 1}', "--key", "7")
        lines = (await admin.get("bus", "pull", made)).splitlines()
        assert [json.loads(line)["payload"] for line in lines] == [{"n": 1}]
        assert "orders/#" in await admin.get("bus", "subscriptions", "list")
        sent = json.loads(await admin.get("bus", "publish", "orders/created", "2", "--json"))["msgId"]
        kept = json.loads(await admin.get("bus", "pull", made, "--keep"))
        assert (kept["attempt"], kept["message"]["msgId"]) == (1, sent)
        assert await admin.get("bus", "pull", made, "--wait", "2") == ""
        assert sent in await admin.get("bus", "dead-letters", "list")
        assert "tried again" in await told(admin, "dead-letters", "redrive", sent)
        assert json.loads(await admin.get("bus", "pull", made))["payload"] == 2
        assert (await admin.run("bus", "publish", "orders", "{")).returncode == 2
        assert "deleted" in await told(admin, "subscriptions", "delete", made)


async def test_bridges_are_set_up_and_paused(app: Running, tmp_path: Path, zygote: Zygote) -> None:
    admin, web = await signed_in(app, await make_tenant_of(app.ledger), tmp_path, zygote)
    async with web:
        body = tmp_path / "bridge.json"
        consume = {"subjects": ["orders.>"]}
        server = {"urls": ["tls://nats.example.com"]}
        rule = {"name": "in", "direction": "consume", "stream": "ORDERS", "server": server, "consume": consume}
        body.write_text(json.dumps({**rule, "status": "paused"}))
        made = json.loads(await admin.get("bus", "bridges", "add", str(body), "--json"))["bridgeId"]
        assert "paused" in await admin.get("bus", "bridges", "list")
        assert "is paused" in await told(admin, "bridges", "pause", made)
        assert json.loads(await admin.get("bus", "bridges", "show", made))["consume"]["topic"] == "{1..}"
        assert json.loads(await admin.get("bus", "bridges", "dead-letters", made, "--json")) == []
        assert "deleted" in await told(admin, "bridges", "rm", made)
        assert (await admin.run("bus", "bridges", "show", made)).returncode != 0


async def told(admin, *command: str) -> str:  # type: ignore[no-untyped-def]
    done = await admin.run("bus", *command)
    assert done.returncode == 0, done.stderr
    return str(done.stdout + done.stderr)
