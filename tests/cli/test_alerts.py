"""`alerts`: added by options and from a file, listed, tried out, silenced and removed at a shell."""

import json
from pathlib import Path

import httpx

from tests.cli.process import Person

RULE = """
name: no heartbeat
severity: high
where: {action: BEAT}
groupBy: resourceId
window: {kind: absence, withinSeconds: 600}
"""
OPTIONS = ("-t", "USER", "-a", "CREATE", "--where", "outcome == 'failure'", "--by", "userId", "--within", "10m")


async def test_the_life_of_an_alert(person: Person, client: httpx.AsyncClient, tmp_path: Path) -> None:
    row = {"resourceType": "USER", "action": "CREATE", "origin": "TEST", "resourceId": "u-1", "userId": "ada"}
    await client.post("/api/interactions", json={**row, "outcome": "failure"})
    made = await person.run("alerts", "add", "--name", "failures", *OPTIONS, "--count", "1", "--json")
    assert made.returncode == 0, made.stderr
    found = json.loads(made.stdout)
    assert found["window"] == {"kind": "count", "atLeast": 1, "withinSeconds": 600}
    assert found["where"] == {"resourceType": ["USER"], "action": ["CREATE"], "userId": [], "origin": []}
    (tmp_path / "rule.yaml").write_text(RULE)
    added = await person.run("alerts", "add", str(tmp_path / "rule.yaml"), "--severity", "low")
    assert (added.returncode, "no heartbeat" in added.stderr) == (0, True), added.stderr
    listed = json.loads((await person.run("alerts", "list", "--json")).stdout)
    assert [(each["name"], each["severity"]) for each in listed] == [("no heartbeat", "low"), ("failures", "medium")]
    assert "failures" in (await person.run("alerts", "list")).stdout
    tried = await person.run("alerts", "preview", "failures", "--hours", "1", "--json")
    assert [each["group"] for each in json.loads(tried.stdout)["firings"]] == ["ada"]
    tried = await person.run("alerts", "preview", str(tmp_path / "rule.yaml"))
    assert (tried.returncode, "rows match" in tried.stderr) == (0, True), tried.stderr
    silenced = await person.run("alerts", "silence", "failures", "--for", "2h", "--reason", "maintenance")
    assert silenced.returncode == 0, silenced.stderr
    shown = json.loads((await person.run("alerts", "show", "failures")).stdout)
    assert shown["silencedUntil"]
    assert (await person.run("alerts", "silence", shown["alertId"], "--end")).returncode == 0
    assert (await person.run("alerts", "rm", "failures")).returncode == 0
    assert (await person.run("alerts", "show", "failures")).returncode == 1


async def test_what_is_typed_wrong(person: Person, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("[1, 2]")
    for command in (
        ("add", "--name", "x"),
        ("add", "--name", "x", "--count", "1", "--absence"),
        ("add", "--name", "x", "--count", "1", "--within", "soon"),
        ("add", str(tmp_path / "bad.yaml")),
        ("silence", "x"),
        ("silence", "x", "--for", "1h", "--end"),
    ):
        done = await person.run("alerts", *command)
        assert done.returncode == 2, (command, done.stderr)
    refused = await person.run("alerts", "add", "--name", "x", "--count", "1", "--where", "colour == 'red'")
    assert (refused.returncode, "filter" in refused.stderr) == (1, True)
