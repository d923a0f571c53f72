"""The whole suite, as ``make test`` runs it, and a second look at the few tests that were red beside all the others.

Tests of real processes share two cores with thousands of others; how long the machine lets one of them wait is not
theirs to say. So up to three red tests are run once more, alone, and named either way: one that is red again is broken,
one that is green now leans on the machine's pace and wants mending, but says nothing against the code. More than three
are never the machine.
"""

import json
import subprocess
import sys
from pathlib import Path

FEW = 3
_ROOT = Path(__file__).parent.parent
_RED = _ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"


def run(*words: str) -> int:
    """Run pytest with these words; return its status."""
    return subprocess.run([sys.executable, "-m", "pytest", *words], cwd=_ROOT, check=False).returncode


def main(words: list[str]) -> int:
    """Run the suite, then the few that were red; return the status that counts."""
    _RED.unlink(missing_ok=True)
    status = run("-n", "3", "--dist", "loadfile", "--no-loadscope-reorder", *words)
    red: dict[str, bool] = json.loads(_RED.read_text()) if _RED.exists() else {}
    if status != 1 or not 0 < len(red) <= FEW:
        return status
    print("\nRed beside the others, run once more alone:", *red, sep="\n  ", flush=True)
    status = run(*red)
    print("Green alone: it leans on the machine's pace." if status == 0 else "Red again.", *red, sep="\n  ", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
