"""The verbs of templates."""

from collections.abc import Mapping
from typing import Any, Final, TypedDict

from provenance.core import cursors
from provenance.core.errors import Detail, Invalid
from provenance.core.keyring import WorkspaceKeys
from provenance.workflows.errors import UnknownTemplate
from provenance.workflows.templates.catalogue import template_by_id, templates
from provenance.workflows.templates.schemas import Category, Template, Templates, TemplateSummary


class _Position(TypedDict):
    after: str


def page(keys: WorkspaceKeys, *, category: Category | None, q: str | None, limit: int, cursor: str | None) -> Templates:
    """Return a page of templates by name. Raises BadCursor."""
    bound_to = cursors.binding("templates", category, q)
    after = None if cursor is None else cursors.read(keys, bound_to, cursor, _Position)["after"]
    found = [each for each in templates() if _fits(each, category, q) and (after is None or each.name > after)]
    shown = found[:limit]
    return Templates(
        items=[TemplateSummary.model_validate(each.model_dump(exclude={"definition"})) for each in shown],
        next_cursor=cursors.write(keys, bound_to, {"after": shown[-1].name}) if len(found) > limit else None,
    )


def _fits(template: Template, category: Category | None, q: str | None) -> bool:
    text = " ".join([template.name, template.description, *template.tags]).lower()
    return (category is None or template.category == category) and (q is None or q.lower() in text)


_TYPES: Final = {"string": str, "number": float | int, "boolean": bool}


def filled(template: Template, variables: Mapping[str, str | float | bool]) -> dict[str, Any]:
    """Return a template's definition with some of its variables set. Raises Invalid for each that does not fit."""
    known = {each.name: each for each in template.variables}
    wrong: list[Detail] = []
    for name, value in variables.items():
        if name not in known:
            wrong.append({"path": f"variables.{name}", "issue": f"the template has {', '.join(known) or 'none'}"})
        elif not isinstance(value, _TYPES[known[name].type]) or isinstance(value, bool) != (
            known[name].type == "boolean"
        ):
            wrong.append({"path": f"variables.{name}", "issue": f"is a {known[name].type}"})
    if wrong:
        raise Invalid(f"{wrong[0]['path']}: {wrong[0]['issue']}", details=wrong)
    constants = template.definition["vars"] | dict(variables)
    return {**template.definition, "vars": constants}


def find(template_id: str) -> Template:
    """Return a template with its definition. Raises UnknownTemplate."""
    found = template_by_id(template_id)
    if found is None:
        raise UnknownTemplate("There is no template with this id.")
    return found
