"""The packages that come with the platform pass their own tests, in the sandbox."""

import json
import shutil
from pathlib import Path

import pytest

from provenance.core.json_schemas import JsonSchema
from provenance.skills import archive, builtin
from provenance.skills.sandbox.testing import Trial
from provenance.skills.schemas import SkillCreate

LIBRARY = Path(builtin.__path__[0])
PACKAGES = sorted(path.parent.name for path in LIBRARY.glob("*/skill.json"))


def test_there_are_six() -> None:
    assert PACKAGES == ["csv", "email_parse", "html_to_text", "http_request", "json", "template"]


@pytest.mark.parametrize("name", PACKAGES)
def test_it_passes_its_own_tests(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    shutil.copytree(LIBRARY / name, folder)
    folder.chmod(0o755)
    manifest = json.loads((folder / archive.MANIFEST).read_text())
    verdicts = Trial(folder, manifest).test()
    assert [each for each in verdicts if each.reason is not None] == []
    assert len(verdicts) >= 3


@pytest.mark.parametrize("name", PACKAGES)
def test_its_manifest_makes_a_skill(name: str) -> None:
    manifest = json.loads((LIBRARY / name / archive.MANIFEST).read_text())
    assert manifest["name"] == name
    made = SkillCreate.model_validate(manifest)
    assert made.description
    JsonSchema(made.input_schema)
    JsonSchema(made.output_schema if made.output_schema is not None else True)
