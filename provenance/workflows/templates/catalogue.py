"""The templates of this version, read once from the files beside."""

from functools import cache
from importlib.resources import files
from typing import Any

from provenance.core.yaml_text import read
from provenance.workflows.templates.schemas import Template

_NOTHING_NEEDED: dict[str, list[str]] = {"requiredIntegrations": [], "requiredSkills": [], "requiredModels": []}


@cache
def templates() -> tuple[Template, ...]:
    """Return every template, by name."""
    found = files(__package__).joinpath("definitions").iterdir()
    loaded = [_template(each.read_text("utf-8")) for each in found if each.name.endswith(".yaml")]
    return tuple(sorted(loaded, key=lambda template: template.name))


def _template(text: str) -> Template:
    written: dict[str, Any] = read(text)
    definition = written["definition"]
    definition["vars"] = {each["name"]: each["default"] for each in written["variables"]}
    kinds = list(dict.fromkeys(step["kind"] for step in definition["steps"]))
    return Template.model_validate({**_NOTHING_NEEDED, **written, "stepKinds": kinds})


def template_by_id(template_id: str) -> Template | None:
    """Return a template, or None."""
    return next((each for each in templates() if each.template_id == template_id), None)
