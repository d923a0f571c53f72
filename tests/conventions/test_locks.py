"""Advisory locks of the installation: whoever takes one by mistake keeps another part standing still."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NUMBER = re.compile(r"\b7_?300_?000_?0\d\d\b", re.ASCII)
OF_TWO_NUMBERS = {
    "provenance/ledger/erasure/queries.py": "a space for locks of workspaces; PostgreSQL keeps those apart"
}


def test_each_part_has_a_lock_of_its_own() -> None:
    found: dict[str, str] = {}
    for folder in ("provenance", "migrations"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            place = str(path.relative_to(ROOT))
            for number in set(NUMBER.findall(path.read_text("utf-8"))):
                if place not in OF_TWO_NUMBERS:
                    assert found.setdefault(number.replace("_", ""), place) == place
    assert len(found) >= 5
