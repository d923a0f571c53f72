"""An importer that another package brings, found by its entry point alone."""

import json
from pathlib import Path

import pytest

from tests.cli.process import Shell
from tests.cli.stand_in import StandIn

PLUG_IN = """
from provenance.cli.importers.contract import Record, Unreadable

class Lines:
    name = "acme-lines"
    help = "Import the lines of an acme file."
    source = "FILE"

    def records(self, source):
        for number, line in enumerate(open(source), 1):
            text = line.strip()
            if text == "broken":
                yield Unreadable(f"line {number}", "it is broken")
                continue
            yield Record(f"line {number}", {
                "idempotencyKey": f"acme:{number}",
                "resourceType": "LINE", "resourceId": text, "action": "READ", "origin": "ACME",
            })

    def total(self, source):
        return None

    def fingerprint(self, source):
        return None
"""


@pytest.fixture
def plugged(stand_in_shell: Shell, tmp_path: Path) -> dict[str, str]:
    """What `pip install acme-importer` leaves behind, on the path."""
    site = tmp_path / "site"
    information = site / "acme_importer-1.0.dist-info"
    information.mkdir(parents=True)
    (site / "acme_importer.py").write_text(PLUG_IN)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-importer\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[provenance.importers]\nacme-lines = acme_importer:Lines\nacme-gone = acme_importer:Gone\n"
    )
    (tmp_path / "lines.txt").write_text("one\nbroken\nthree\n")
    return {"PYTHONPATH": str(site)}


class TestPlugIn:
    def test_is_a_command_like_the_built_in_ones(
        self, stand_in_shell: Shell, stand_in: StandIn, plugged: dict[str, str], tmp_path: Path
    ) -> None:
        source = str(tmp_path / "lines.txt")

        helped = stand_in_shell.run("import", "--help", env=plugged)
        first = stand_in_shell.run("import", "acme-lines", source, env=plugged)
        second = stand_in_shell.run("import", "acme-lines", source, env=plugged)

        assert "Import the lines of an acme file." in helped.stdout
        assert first.stdout == "2 created, 0 duplicates, 1 failed\n"
        assert "line 2: it is broken" in first.stderr
        assert second.stdout == "0 created, 2 duplicates, 1 failed\n"
        assert [each["resourceId"] for each in stand_in.stored.values()] == ["one", "three"]

    def test_a_broken_one_is_named_and_hurts_nothing_else(
        self, stand_in_shell: Shell, plugged: dict[str, str], tmp_path: Path
    ) -> None:
        (tmp_path / "x.ndjson").write_text("")

        done = stand_in_shell.run("import", "ndjson", str(tmp_path / "x.ndjson"), env=plugged)

        assert done.returncode == 0
        assert "acme-gone" in done.stderr

    def test_a_dry_run_prints_and_sends_nothing(
        self, stand_in_shell: Shell, stand_in: StandIn, plugged: dict[str, str], tmp_path: Path
    ) -> None:
        done = stand_in_shell.run(
            "import", "acme-lines", str(tmp_path / "lines.txt"), "--dry-run", env=plugged
        )

        assert [json.loads(line)["resourceId"] for line in done.stdout.splitlines()] == ["one", "three"]
        assert stand_in.batches == []
