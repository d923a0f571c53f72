"""An importer that another package brings, found by its entry point alone."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.cli.process import Shell
from tests.cli.stand_in import StandIn

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "importers.md"

EXPORT = """id,account,verb,user,at
1,one,OPEN,ada,2024-01-15T10:30:00Z
2,two,OPEN,,2024-01-15T10:31:00Z
3,three,CLOSE,eve,2024-01-15T10:32:00Z
"""


def examples(language: str) -> list[str]:
    """The guide's code in a language."""
    found = re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.S)
    assert found
    return found


@pytest.fixture
def plugged(stand_in_shell: Shell, tmp_path: Path) -> dict[str, str]:
    """What `pip install acme-importer` leaves behind, on the path."""
    site = tmp_path / "site"
    information = site / "acme_importer-1.0.dist-info"
    information.mkdir(parents=True)
    (site / "acme_provenance.py").write_text(examples("python")[0])
    group = tomllib.loads(examples("toml")[0])["project"]["entry-points"]["provenance.importers"]
    entries = "".join(f"{name} = {value}\n" for name, value in group.items())
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-importer\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        f"[provenance.importers]\n{entries}acme-gone = acme_provenance:Gone\n"
    )
    (tmp_path / "export.csv").write_text(EXPORT)
    return {"PYTHONPATH": str(site)}


class TestPlugIn:
    def test_is_a_command_like_the_built_in_ones(
        self, stand_in_shell: Shell, stand_in: StandIn, plugged: dict[str, str], tmp_path: Path
    ) -> None:
        source = str(tmp_path / "export.csv")

        helped = stand_in_shell.run("import", "--help", env=plugged)
        first = stand_in_shell.run("import", "acme", source, env=plugged)
        second = stand_in_shell.run("import", "acme", source, env=plugged)

        assert "Import an Acme export" in helped.stdout
        assert first.stdout == "2 created, 0 duplicates, 1 failed\n"
        assert "line 3: it names no user" in first.stderr
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
        done = stand_in_shell.run("import", "acme", str(tmp_path / "export.csv"), "--dry-run", env=plugged)

        assert [json.loads(line)["resourceId"] for line in done.stdout.splitlines()] == ["one", "three"]
        assert stand_in.batches == []
