import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from provenance.cli.importers.contract import BadSource, Record, Unreadable
from provenance.cli.importers.github import GithubWebhooks
from provenance.cli.importers.github_guess import guess
from provenance.cli.importers.units import commit_unit, thread_unit
from tests.cli.webhook_examples import index_file

REPOSITORY = {"full_name": "octo/hello", "html_url": "https://github.com/octo/hello"}
ISSUE: dict[str, Any] = {
    "action": "closed",
    "issue": {
        "number": 12,
        "html_url": "https://github.com/octo/hello/issues/12",
        "created_at": "2024-01-15T10:00:00Z",
        "updated_at": "2024-01-16T10:00:00Z",
        "closed_at": "2024-01-16T09:00:00+02:00",
    },
    "repository": REPOSITORY,
    "organization": {"login": "octo"},
    "sender": {"login": "ada"},
}
SHA = "ec26c3e57ca3a959ca5aad62de7213c562f8c821"


def records(path: Path) -> list[Record | Unreadable]:
    return list(GithubWebhooks().records(str(path)))


def item(event: str, payload: dict[str, Any], folder: Path) -> dict[str, Any]:
    path = folder / f"{event}.json"
    path.write_text(json.dumps(payload))
    (record,) = records(path)
    assert isinstance(record, Record), record
    return dict(record.item)


class TestOneEvent:
    def test_an_issue_reads_as_an_interaction(self, tmp_path: Path) -> None:
        found = item("issues", ISSUE, tmp_path)

        assert found.pop("idempotencyKey").startswith("github:issues:")
        assert found == {
            "resourceType": "ISSUE",
            "resourceId": "octo/hello#12",
            "action": "CLOSED",
            "origin": "GITHUB",
            "userId": "ada",
            "uowId": thread_unit("octo/hello", 12),
            "timestamp": "2024-01-16T07:00:00Z",
            "externalReference": "https://github.com/octo/hello/issues/12",
            "relatedResources": [
                {"resourceType": "REPOSITORY", "resourceId": "octo/hello", "role": "affected"},
                {"resourceType": "ORGANIZATION", "resourceId": "octo", "role": "affected"},
            ],
            "interaction": ISSUE,
        }

    def test_a_comment_belongs_to_its_issue(self, tmp_path: Path) -> None:
        comment = {"id": 7, "created_at": "2024-01-15T11:00:00Z"}

        found = item("issue_comment", {**ISSUE, "action": "created", "comment": comment}, tmp_path)

        assert (found["resourceType"], found["resourceId"]) == ("ISSUE_COMMENT", "octo/hello#12/comments/7")
        assert found["uowId"] == thread_unit("octo/hello", 12)
        assert {"resourceType": "ISSUE", "resourceId": "octo/hello#12", "role": "affected"} in found["relatedResources"]

    def test_a_check_belongs_to_its_pull_request_or_else_to_its_commit(self, tmp_path: Path) -> None:
        check = {"id": 9, "head_sha": SHA, "conclusion": "failure", "pull_requests": [{"number": 2}]}
        payload = {"action": "completed", "check_run": check, "repository": REPOSITORY}

        with_request = item("check_run", payload, tmp_path)
        without = item("check_run", {**payload, "check_run": {**check, "pull_requests": []}}, tmp_path)

        assert with_request["uowId"] == thread_unit("octo/hello", 2)
        assert without["uowId"] == commit_unit("octo/hello", SHA)
        assert with_request["outcome"] == "failure"

    def test_a_push_is_to_its_branch_and_names_its_commits(self, tmp_path: Path) -> None:
        payload = {
            "ref": "refs/heads/main",
            "before": "0" * 40,
            "after": SHA,
            "commits": [{"id": SHA}],
            "head_commit": {"id": SHA, "timestamp": "2024-01-15T10:00:00+02:00"},
            "compare": "https://github.com/octo/hello/compare/main",
            "repository": {**REPOSITORY, "pushed_at": 1_705_312_800},
        }

        found = item("push", payload, tmp_path)

        assert (found["resourceType"], found["resourceId"]) == ("BRANCH", "octo/hello:refs/heads/main")
        assert (found["action"], found["timestamp"]) == ("PUSH", "2024-01-15T08:00:00Z")
        assert found["uowId"] == commit_unit("octo/hello", SHA)
        assert found["externalReference"] == payload["compare"]
        assert {"resourceType": "COMMIT", "resourceId": f"octo/hello@{SHA}", "role": "used"} in found[
            "relatedResources"
        ]

    def test_an_event_of_tomorrow_still_reads(self, tmp_path: Path) -> None:
        payload = {"action": "sent", "repository": REPOSITORY, "pigeon": {"id": 3}}
        path = tmp_path / "d.json"
        path.write_text(json.dumps({"event": "pigeon", "delivery": "guid-1", "payload": payload}))

        (record,) = records(path)

        assert isinstance(record, Record)
        assert record.item["idempotencyKey"] == "github:guid-1"
        assert (record.item["resourceType"], record.item["resourceId"]) == ("PIGEON", "octo/hello/pigeon/3")

    def test_an_action_is_made_a_mnemonic(self, tmp_path: Path) -> None:
        payload = {"action": "on demand: test!", "client_payload": {}, "repository": REPOSITORY}

        assert item("repository_dispatch", payload, tmp_path)["action"] == "ON_DEMAND_TEST"


class TestSources:
    def test_a_folder_names_events_by_file_and_by_folder(self, tmp_path: Path) -> None:
        (tmp_path / "issues").mkdir()
        (tmp_path / "issues" / "1.json").write_text(json.dumps(ISSUE))
        (tmp_path / "issues.closed.payload.json").write_text(json.dumps(ISSUE))
        (tmp_path / "anything.json").write_text(json.dumps([ISSUE, {**ISSUE, "action": "opened"}]))
        (tmp_path / "package.json").write_text("{}")
        (tmp_path / "notes.txt").write_text("none")

        found = records(tmp_path)

        assert [each.where for each in found] == [
            "anything.json[0]",
            "anything.json[1]",
            "issues/1.json",
            "issues.closed.payload.json",
        ]
        keys = [each.item["idempotencyKey"] for each in found if isinstance(each, Record)]
        assert len(set(keys)) == 4
        assert GithubWebhooks().total(str(tmp_path)) == 4

    def test_the_deliveries_api(self, tmp_path: Path) -> None:
        delivery = {
            "guid": "0b989ba4-242f-11e5-81e1-c7b6966d2516",
            "delivered_at": "2024-01-15T10:30:00Z",
            "event": "watch",
            "request": {
                "headers": {"X-GitHub-Event": "watch"},
                "payload": {"action": "started", "repository": REPOSITORY, "sender": {"login": "ada"}},
            },
        }
        path = tmp_path / "delivery.json"
        path.write_text(json.dumps(delivery))

        (record,) = records(path)

        assert isinstance(record, Record)
        assert record.item["idempotencyKey"] == "github:0b989ba4-242f-11e5-81e1-c7b6966d2516"
        assert record.item["timestamp"] == "2024-01-15T10:30:00Z"

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("{", "cannot be read"),
            ("[1]", "not a JSON object"),
            ('{"hello": 1}', "no GitHub event is like this"),
            ('{"issue": {}}', "a issues payload without what it happened to"),
        ],
    )
    def test_what_is_no_payload_is_named(self, tmp_path: Path, text: str, reason: str) -> None:
        path = tmp_path / "x.json"
        path.write_text(text)

        (found,) = records(path)

        assert isinstance(found, Unreadable)
        assert reason in found.reason

    def test_a_missing_path_is_a_bad_source(self, tmp_path: Path) -> None:
        with pytest.raises(BadSource, match="does not exist"):
            records(tmp_path / "none")


class TestRealPayloads:
    def test_every_one_becomes_an_interaction_with_a_key_of_its_own(self) -> None:
        found = records(index_file())

        assert len(found) == 329
        assert [each for each in found if isinstance(each, Unreadable)] == []
        items = [each.item for each in found if isinstance(each, Record)]
        assert len({each["idempotencyKey"] for each in items}) == 329
        assert sum("timestamp" in each for each in items) > 280

    def test_most_are_recognised_without_being_named_and_none_wrongly(self) -> None:
        entries = json.loads(index_file().read_text())
        verdicts = Counter(
            "right" if guess(payload) == entry["name"] else "open" if guess(payload) is None else entry["name"]
            for entry in entries
            for payload in entry["examples"]
        )

        assert verdicts["right"] > 270
        assert verdicts.keys() <= {"right", "open"}
