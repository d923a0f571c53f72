"""Folders of skills, on this machine: started, copied from the library, packed, and unpacked where their tests run."""

import io
import json
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance.cli.errors import Misused, Refused

if TYPE_CHECKING:
    from provenance.skills.sandbox.testing import Trial

MANIFEST = "skill.json"
BUILTIN = Path(__file__).resolve().parents[1] / "skills" / "builtin"
_LEFT_OUT = frozenset({"__pycache__"})
_MADE = (1980, 1, 1, 0, 0, 0)

_PYTHON = '''"""What this skill does."""


def run(input):
    """Greet somebody."""
    return {"greeting": f"Hello, {input['name']}!"}
'''
_PYTHON_TEST = '''"""Tests of the skill, by unittest; tests/cases.json holds what needs no code."""

import unittest

from main import run


class Greeting(unittest.TestCase):
    """What is said, and to whom."""

    def test_it_greets(self):
        """The name is in the greeting."""
        self.assertEqual(run({"name": "Ann"}), {"greeting": "Hello, Ann!"})
'''
_NODE = """// What this skill does.
export async function run(input) {
  return { greeting: `Hello, ${input.name}!` };
}
"""


def built_in() -> list[str]:
    """Return the names of the library's skills."""
    return sorted(path.parent.name for path in BUILTIN.glob(f"*/{MANIFEST}"))


def started(name: str, runtime: str) -> dict[str, str]:
    """Return the files of a new skill. Raises Misused for a runtime that has no beginning."""
    if runtime not in ("python3", "node"):
        raise Misused("A skill is begun in python3 or node; wasm is built by your own tools.")
    manifest = {
        "name": name.lower().replace(" ", "_").replace(".", "_"),
        "description": "Greets somebody.",
        "runtime": runtime,
        "handler": "main:run" if runtime == "python3" else "main.mjs:run",
        "inputSchema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
        "outputSchema": {"type": "object", "required": ["greeting"]},
    }
    cases = [
        {"name": "greets", "input": {"name": "Ann"}, "output": {"greeting": "Hello, Ann!"}},
        {"name": "needs a name", "input": {}, "error": "schema_validation"},
    ]
    code = {"main.py": _PYTHON, "tests/test_main.py": _PYTHON_TEST} if runtime == "python3" else {"main.mjs": _NODE}
    return {MANIFEST: _pretty(manifest), "tests/cases.json": _pretty(cases), **code}


def copied(source: Path, name: str) -> dict[str, str]:
    """Return the files of a skill of the library, under a name of their own."""
    files = {str(path.relative_to(source)): path.read_text("utf-8") for path in _files(source)}
    manifest = json.loads(files[MANIFEST])
    return {**files, MANIFEST: _pretty({**manifest, "name": name.lower().replace(" ", "_").replace(".", "_")})}


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read a folder's manifest. Raises Misused."""
    try:
        found = json.loads((folder / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Misused(f"{folder / MANIFEST} can't be read: {error}.") from None
    if not isinstance(found, dict):
        raise Misused(f"{folder / MANIFEST} is no JSON object.")
    return found


def packed(folder: Path) -> bytes:
    """Make a folder's package, the same bytes each time, and check it as the server will. Raises Misused, Refused."""
    from provenance.core.errors import Invalid
    from provenance.skills import archive

    read_manifest(folder)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for path in _files(folder):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _MADE)
            entry.external_attr = 0o100644 << 16
            zipped.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    content = buffer.getvalue()
    try:
        archive.read_manifest(content)
    except Invalid as problem:
        raise Refused(problem.detail) from None
    return content


@contextmanager
def unpacked(folder: Path) -> Iterator["Trial"]:
    """Pack a folder and unpack it elsewhere, as the server would: what is tested is what is sent."""
    from provenance.core.errors import Problem
    from provenance.skills import archive
    from provenance.skills.sandbox.testing import Trial

    content = packed(folder)
    with tempfile.TemporaryDirectory(prefix="pv-skill-") as place:
        Path(place).chmod(0o755)
        archive.unpack(content, Path(place))
        try:
            yield Trial(Path(place), read_manifest(folder))
        except Problem as problem:
            raise Refused(problem.detail) from None


def _files(folder: Path) -> list[Path]:
    """Return what belongs into a package: no hidden file, and nothing that is made anew anyway."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    return [path for path in found if not any(_is_left_out(part) for part in path.relative_to(folder).parts)]


def _is_left_out(part: str) -> bool:
    return part.startswith(".") or part in _LEFT_OUT or part.endswith(".pyc")


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
