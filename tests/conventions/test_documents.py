"""The reference describes what the code has: every setting, every error code, every scope."""

import ast
import re
from pathlib import Path

import pytest
from pydantic import AliasChoices

from provenance.core.routing import access_of
from provenance.core.settings import Settings
from tests.conventions.test_routes import ALL
from tests.core.test_errors import problems

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"


def text_of(name: str) -> str:
    return (REFERENCE / name).read_text("utf-8")


def codes_in_calls() -> set[str]:
    """Return the codes that are given where an error is raised: ``code="bad_gzip"``."""
    found = set()
    for path in (ROOT / "provenance").rglob("*.py"):
        source = path.read_text("utf-8")
        if "code=" not in source:  # reading trees is slow
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant):
                found.add(str(node.value.value))
    return {code for code in found if re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", code)}


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name: str) -> None:
    alias = Settings.model_fields[name].validation_alias
    variables = (
        [str(each) for each in alias.choices] if isinstance(alias, AliasChoices) else [f"PROVENANCE_{name}".upper()]
    )
    assert any(f"`{variable}`" in text_of("settings.md") for variable in variables)


@pytest.mark.parametrize("code", sorted({kind.code for kind in problems()} | codes_in_calls()))
def test_every_error_code_is_documented(code: str) -> None:
    assert f"`{code}`" in text_of("errors.md")


def test_every_scope_that_a_route_needs_is_documented() -> None:
    rules = [access for route in ALL if (access := access_of(route.dependant)) is not None]
    needed = {access.scope for access in rules if access.scope is not None}
    assert [scope.value for scope in needed if f"`{scope.value}`" not in text_of("permissions.md")] == []
