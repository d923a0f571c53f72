"""Everything an importer brings in comes out again.

By resource, by actor, as a trace, by its JSON, and only once.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.importers.test_git import commit, git
from tests.cli.process import Person, Shell
from tests.cli.webhook_examples import index_file
from tests.cli.zygote import Zygote
from tests.conftest import Running, make_tenant_of


def summary(done: subprocess.CompletedProcess[str]) -> tuple[int, int, int]:
    found: dict[str, Any] = json.loads(done.stdout)
    return found["created"], found["duplicates"], found["failed"]


@pytest.fixture(scope="module")
def payloads() -> list[dict[str, Any]]:
    """Every real payload, with the name of its event."""
    return [
        {"event": entry["name"], "payload": payload}
        for entry in json.loads(index_file().read_text())
        for payload in entry["examples"]
    ]


@pytest.fixture(scope="module")
async def reader(app: Running, zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Person:
    """Somebody in a workspace into which all of them were imported; the tests only read it."""
    workspace = await make_tenant_of(app.ledger)
    settings = {"PROVENANCE_API_URL": f"{app.url}/api", "PROVENANCE_API_KEY": workspace.key}
    person = Person(Shell(tmp_path_factory.mktemp("reader"), settings, zygote))
    done = await person.run("import", "github-webhooks", str(index_file()), "--json")
    assert (done.returncode, summary(done)) == (0, (329, 0, 0)), done.stderr
    return person


class TestGithubWebhooks:
    async def test_all_come_out_and_twice_imported_is_once_stored(
        self, reader: Person, payloads: list[dict[str, Any]]
    ) -> None:
        again = await reader.run("import", "github-webhooks", str(index_file()), "--json")
        rows = await reader.rows("--limit", "1000")

        assert summary(again) == (0, 329, 0)
        assert len(rows) == 329
        stored = sorted(json.dumps(row["interaction"], sort_keys=True) for row in rows)
        assert stored == sorted(json.dumps(each["payload"], sort_keys=True) for each in payloads)
        assert {row["originMnemonic"] for row in rows} == {"GITHUB"}

    async def test_by_resource_and_by_actor(self, reader: Person, payloads: list[dict[str, Any]]) -> None:
        issue = await reader.rows("-r", "Codertocat/Hello-World#1", "--limit", "500")
        everything = await reader.rows("--user", "Codertocat", "--limit", "500")
        related = await reader.rows("--related", "Codertocat/Hello-World", "-t", "LABEL", "--limit", "500")

        assert {"ISSUE"} <= {row["resourceTypeMnemonic"] for row in issue}
        assert {"OPENED", "LABELED"} <= {row["actionMnemonic"] for row in issue}
        of_actor = [each for each in payloads if (each["payload"].get("sender") or {}).get("login") == "Codertocat"]
        assert len(everything) == len(of_actor)
        assert {row["resourceTypeMnemonic"] for row in related} == {"LABEL"}

    async def test_as_a_trace(self, reader: Person) -> None:
        trace = json.loads(await reader.get("trace", "Codertocat/Hello-World#2", "--json"))

        kinds = {row["resourceTypeMnemonic"] for row in trace["interactions"]}
        assert {"PULL_REQUEST", "PULL_REQUEST_REVIEW", "PULL_REQUEST_COMMENT", "CHECK_RUN"} <= kinds

    async def test_by_what_their_json_says(self, reader: Person, payloads: list[dict[str, Any]]) -> None:
        rows = await reader.rows("--where", 'interaction.issue.title == "Spelling error in the README file"')

        titles = [(each["payload"].get("issue") or {}).get("title") for each in payloads]
        assert len(rows) == titles.count("Spelling error in the README file") > 30

    async def test_by_what_their_json_says_as_activity(self, reader: Person) -> None:
        wanted = {"path": "issue.title", "op": "contains", "value": "Spelling error"}
        settings = reader.shell.settings
        async with httpx.AsyncClient(headers={"x-api-key": settings["PROVENANCE_API_KEY"]}) as client:
            address = f"{settings['PROVENANCE_API_URL']}/activity/search"
            answer = await client.post(address, json={"json": [wanted], "limit": 100})

        groups = answer.json()["data"]
        found = [row for group in groups for part in group["units"] for row in part["interactions"]]
        assert found
        assert all("Spelling error" in row["interaction"]["issue"]["title"] for row in found)


class TestGit:
    async def test_a_repository_comes_in_once_and_grows(self, person: Person, tmp_path: Path) -> None:
        folder = tmp_path / "hello"
        folder.mkdir()
        git(folder, "init", "-q", "-b", "main")
        git(folder, "remote", "add", "origin", "git@github.com:octo/hello.git")
        first = commit(folder, "first", "README.md")

        before = await person.run("import", "git", str(folder), "--json")
        second = commit(folder, "second", "README.md", "other")
        after = await person.run("import", "git", str(folder), "--json")
        history = await person.rows("--related", "octo/hello/README.md")

        assert summary(before) == (1, 0, 0)
        assert summary(after) == (1, 1, 0)
        assert [row["resourceId"] for row in history] == [f"octo/hello@{second}", f"octo/hello@{first}"]
        assert history[0]["createdDate"] == "2024-01-15T08:30:00.000Z"


class TestNdjson:
    async def test_what_search_prints_and_the_server_refuses(self, person: Person) -> None:
        lines = [
            '{"resourceId":"a","resourceType":"T","action":"READ","userId":"ada","interaction":{"n":1}}',
            '{"resourceId":"b"}',
            '{"resourceId":"c","resourceType":"T","action":"READ","interaction":{"n":9007199254740993}}',
            '{"resourceId":"d","resourceType":"T","action":"READ","timestamp":"yesterday"}',
        ]

        done = await person.run("import", "ndjson", "-", stdin="\n".join(lines))
        rows = await person.rows()

        assert (done.returncode, done.stdout) == (1, "1 created, 0 duplicates, 3 failed\n")
        assert [text.partition(":")[0] for text in done.stderr.splitlines()] == [
            "line 2",
            "line 3",
            "line 4",
            "error",
        ]
        assert [(row["resourceId"], row["originMnemonic"]) for row in rows] == [("a", "CLI")]
