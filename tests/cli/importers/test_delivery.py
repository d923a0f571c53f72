"""Through the whole command, against a server that does what a real one only does on a bad day."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.cli.conftest import KEY
from tests.cli.process import Shell, interrupt
from tests.cli.stand_in import StandIn, listening, problem


def item(name: str, **more: Any) -> dict[str, Any]:
    return {"resourceId": name, "resourceType": "USER", "action": "CREATE", "idempotencyKey": name, **more}


def write(folder: Path, items: Sequence[dict[str, Any]]) -> str:
    path = folder / "items.ndjson"
    path.write_text("".join(json.dumps(each) + "\n" for each in items))
    return str(path)


def summary(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def journals(shell: Shell) -> list[Path]:
    return list((shell.home / "state" / "provenance" / "imports").glob("*.json"))


class TestChunks:
    def test_at_most_a_thousand_items_and_eight_megabytes(self, stand_in_shell: Shell, stand_in: StandIn) -> None:
        large = [item(f"large-{number}", interaction={"text": "x" * 250_000}) for number in range(40)]
        small = [item(f"small-{number}") for number in range(2_100)]

        done = stand_in_shell.run("import", "ndjson", write(stand_in_shell.home, [*large, *small]), "--json")

        assert summary(done)["created"] == 2_140
        assert max(stand_in.batches) <= 1_000
        assert stand_in.batches[0] == 33

    def test_nothing_to_send_is_no_request(self, stand_in_shell: Shell, stand_in: StandIn) -> None:
        done = stand_in_shell.run("import", "ndjson", write(stand_in_shell.home, []))

        assert (done.returncode, done.stdout) == (0, "0 created, 0 duplicates, 0 failed\n")
        assert stand_in.batches == []


class TestFailures:
    def test_what_the_ledger_cannot_hold_is_named_and_the_rest_is_stored(
        self, stand_in_shell: Shell, stand_in: StandIn
    ) -> None:
        items = [
            item("a"),
            item("b", interaction={"n": 2**53}),
            item("c", interaction={"text": "x" * 300_000}),
            {key: value for key, value in item("d").items() if key != "resourceType"},
            item("e", interaction={"text": "\0"}),
        ]

        done = stand_in_shell.run("import", "ndjson", write(stand_in_shell.home, items))

        assert done.returncode == 1
        assert done.stdout == "1 created, 0 duplicates, 4 failed\n"
        reasons = done.stderr.splitlines()
        assert reasons[0].startswith("line 2: interaction.n: integer 9007199254740992")
        assert "bytes; one interaction holds at most 262,144" in reasons[1]
        assert reasons[2] == "line 4: resourceType: is required"
        assert reasons[3].startswith("line 5: interaction.text: holds a NUL")
        assert list(stand_in.stored) == ["a"]

    def test_one_bad_item_does_not_sink_its_batch(self, stand_in_shell: Shell, stand_in: StandIn) -> None:
        bad = "user-617"
        stand_in.refuse = lambda items: (
            problem(400, "invalid_request") if any(each["resourceId"] == bad for each in items) else None
        )

        done = stand_in_shell.run(
            "import", "ndjson", write(stand_in_shell.home, [item(f"user-{n}") for n in range(1_000)])
        )

        assert done.stdout == "999 created, 0 duplicates, 1 failed\n"
        assert "line 618: invalid_request" in done.stderr

    def test_a_refused_key_ends_it_at_once(self, stand_in_shell: Shell, stand_in: StandIn) -> None:
        stand_in.next_answers = [problem(403, "missing_scope")]

        done = stand_in_shell.run("import", "ndjson", write(stand_in_shell.home, [item("a")]))

        assert done.returncode == 1
        assert "missing_scope" in done.stderr
        assert len(stand_in.batches) == 1


class TestPatience:
    def test_busy_and_lost_answers_are_tried_again(self, stand_in_shell: Shell, stand_in: StandIn) -> None:
        busy = problem(503, "overloaded", retry_after="0")
        stand_in.next_answers = [busy, problem(429, "rate_limited", retry_after="0.2"), None]

        done = stand_in_shell.run("import", "ndjson", write(stand_in_shell.home, [item("a")]), "--json")

        assert done.returncode == 0
        # The lost answer had been stored: the second one says so, and nothing is there twice.
        assert (summary(done)["duplicates"], len(stand_in.stored), len(stand_in.batches)) == (1, 1, 4)

    def test_an_absent_server_is_given_up_on_in_the_end(self, shell: Shell) -> None:
        given = {"PROVENANCE_API_URL": "http://127.0.0.1:9/api", "PROVENANCE_API_KEY": KEY}

        done = shell.run("import", "ndjson", write(shell.home, [item("a")]), "--wait", "0.5", env=given)

        assert done.returncode == 3
        assert "Waiting: no answer from" in done.stderr


class TestGoingOn:
    def test_an_interrupted_import_goes_on_where_it_was(self, stand_in_shell: Shell, stand_in: StandIn) -> None:
        source = write(stand_in_shell.home, [item(f"user-{n}") for n in range(2_500)])
        stand_in.next_answers = [(200, {}, {}), *[problem(503, "overloaded", retry_after="30")] * 2]
        process = stand_in_shell.start("import", "ndjson", source)
        assert process.stderr
        assert process.stderr.readline().startswith("Waiting: It said overloaded")
        _, messages = interrupt(process)
        stand_in.next_answers.clear()

        done = stand_in_shell.run("import", "ndjson", source)

        assert process.returncode == 130
        assert "Stopped after 1,000 records" in messages
        assert "Going on after 1,000 records" in done.stderr
        assert done.stdout == "2,500 created, 0 duplicates, 0 failed\n"
        assert stand_in.batches == [1_000, 1_000, 1_000, 500]
        assert journals(stand_in_shell) == []

    def test_failures_before_the_interruption_are_not_forgotten(self, stand_in_shell: Shell, stand_in: StandIn) -> None:
        items = [item("bad", interaction={"n": 2**60}), *(item(f"user-{n}") for n in range(1_500))]
        source = write(stand_in_shell.home, items)
        stand_in.next_answers = [(200, {}, {}), problem(500, "bug")]

        first = stand_in_shell.run("import", "ndjson", source)
        second = stand_in_shell.run("import", "ndjson", source)

        assert first.returncode == second.returncode == 1
        assert second.stdout == "1,500 created, 0 duplicates, 1 failed\n"
        assert "line 1: interaction.n" in second.stderr

    def test_restart_sends_everything_again(self, stand_in_shell: Shell, stand_in: StandIn) -> None:
        source = write(stand_in_shell.home, [item(f"user-{n}") for n in range(1_500)])
        stand_in.next_answers = [(200, {}, {}), problem(500, "bug")]
        stand_in_shell.run("import", "ndjson", source)

        done = stand_in_shell.run("import", "ndjson", source, "--restart")

        assert done.stdout == "500 created, 1,000 duplicates, 0 failed\n"

    def test_another_workspace_has_a_journal_of_its_own(self, stand_in_shell: Shell, stand_in: StandIn) -> None:
        source = write(stand_in_shell.home, [item(f"user-{n}") for n in range(1_500)])
        stand_in.next_answers = [(200, {}, {}), problem(500, "bug")]
        stand_in_shell.run("import", "ndjson", source)

        with listening(stand_in) as url:
            done = stand_in_shell.run("import", "ndjson", source, "--api-url", url)

        assert "Going on" not in done.stderr
