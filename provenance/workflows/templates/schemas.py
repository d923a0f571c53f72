"""Templates as they go out (spec/automation.md, 5.15)."""

from typing import Any, Literal

from provenance.workflows.schemas import Wire

Category = Literal["support", "operations", "engineering", "knowledge", "general"]


class Variable(Wire):
    """A constant of the definition's ``vars`` that is meant to be changed."""

    name: str
    label: str
    type: Literal["string", "number", "boolean"]
    default: str | float | bool


class TemplateSummary(Wire):
    """A template as lists show it."""

    template_id: str
    name: str
    description: str
    category: Category
    tags: list[str]
    version: int
    step_kinds: list[str]
    required_integrations: list[str]
    required_skills: list[str]
    required_models: list[str]
    variables: list[Variable]
    setup_minutes: int
    risk_notes: str


class Template(TemplateSummary):
    """One template with the definition a workflow begins with."""

    definition: dict[str, Any]


class Templates(Wire):
    """A page of templates."""

    items: list[TemplateSummary]
    next_cursor: str | None
