"""`provenance secrets` and `provenance connections`: values go in by stdin and come out nowhere."""

import json
from pathlib import Path

from tests.cli.process import Person
from tests.secrets.canaries import canary


class TestSecrets:
    async def test_are_kept_listed_and_rotated(self, person: Person, tmp_path: Path) -> None:
        value = canary()
        secret_id = (await person.get("secrets", "create", "stripe.key", "--type", "api_key", stdin=value)).strip()
        listed = await person.get("secrets", "list", "--type", "api_key")
        assert [json.loads(line)["secretId"] for line in listed.splitlines()] == [secret_id]
        path = tmp_path / "next"
        path.write_text(canary() + "\n")
        rotated = json.loads(await person.get("secrets", "rotate", secret_id, "--from-file", str(path)))
        assert rotated["version"] == 2
        found = json.loads(await person.get("secrets", "get", secret_id))
        assert [each["state"] for each in found["versions"]] == ["current", "previous"]
        assert value not in listed + json.dumps(found)

    async def test_are_generated(self, person: Person) -> None:
        secret_id = (await person.get("secrets", "create", "t", "--type", "token", "--generate")).strip()
        assert json.loads(await person.get("secrets", "rotate", secret_id, "--generate"))["version"] == 2

    async def test_need_a_value(self, person: Person) -> None:
        done = await person.run("secrets", "create", "n")
        assert (done.returncode, "--from-file" in done.stderr) == (2, True)

    async def test_are_not_revealed_to_a_key(self, person: Person) -> None:
        secret_id = (await person.get("secrets", "create", "n", stdin=canary())).strip()
        for command in (("reveal", secret_id, "--reason", "x"), ("delete", secret_id)):
            done = await person.run("secrets", *command)
            assert (done.returncode, "people_only" in done.stderr) == (1, True)


class TestConnections:
    async def test_are_made_paused_and_deleted(self, person: Person) -> None:
        key = canary()
        made = await person.get(
            "connections", "create", "pager", "pagerduty", "--auth-type", "api_key", stdin=json.dumps({"apiKey": key})
        )
        connection_id = made.strip()
        for command, status in (("pause", "paused"), ("resume", "active")):
            done = await person.run("connections", command, connection_id)
            assert (done.returncode, done.stderr.strip()) == (0, f"pager is {status}.")
        listed = await person.get("connections", "list", "--status", "active")
        assert json.loads(listed)["connectionId"] == connection_id
        assert key not in listed + await person.get("connections", "get", connection_id)
        assert (await person.run("connections", "delete", connection_id)).returncode == 0
        assert await person.get("connections", "list") == ""

    async def test_a_failed_trial_is_a_failure(self, person: Person) -> None:
        config = json.dumps({"baseUrl": "http://127.0.0.1:1"})
        arguments = ("connections", "create", "n", "http", "--auth-type", "api_key", "--config", config)
        connection_id = (await person.get(*arguments, stdin="key")).strip()
        done = await person.run("connections", "test", connection_id)
        assert (done.returncode, json.loads(done.stdout)["ok"]) == (1, False)
        assert "not a public address" in done.stderr

    async def test_a_config_is_an_object(self, person: Person) -> None:
        for config in ("{", "[]"):
            done = await person.run("connections", "create", "n", "github", "--config", config)
            assert done.returncode == 2
