"""The threat model names tests that are there."""

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parents[1] / "docs" / "reference" / "threat-model.md"
_NAMED = re.compile(r"`((?:[\w./]+\.py)?(?:::\w+)*)`")


def test_every_line_names_tests_that_are_there() -> None:
    lines = [line for line in DOCUMENT.read_text("utf-8").splitlines() if line.startswith("| ") and "---" not in line]
    rows = [line for line in lines if not line.startswith("| what is tried")]
    assert len(rows) > 25
    path = ""
    for row in rows:
        named = [each for each in _NAMED.findall(row.rsplit("|", 2)[1]) if each]
        assert named, row
        for each in named:
            file, *names = each.split("::")
            path = file or path
            text = (HERE / path).read_text("utf-8")
            assert all(re.search(rf"(def|class) {name}\b", text) for name in names), each
