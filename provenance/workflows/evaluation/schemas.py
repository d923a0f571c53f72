"""What goes in and out of an evaluation."""

from typing import Any

from pydantic import Field

from provenance.workflows.schemas import Wire


class Evaluate(Wire):
    """An expression (bare CEL) or a mapping (JSON whose texts may hold ``{{ expressions }}``), and its scope."""

    expression: str | None = Field(default=None, max_length=8192, examples=["input.amount > 500"])
    mapping: Any = None
    scope: dict[str, Any] = Field(
        default_factory=dict,
        description="What it may read: input, trigger, vars, run, steps.<key>.output and so on, as nested objects.",
        examples=[{"input": {"amount": 750}, "steps": {"check": {"output": {"ok": True}}}}],
    )


class Fault(Wire):
    """Why there is no value: where in the mapping, a stable code, a sentence, the offset where it is known."""

    path: str
    code: str
    issue: str
    position: int | None


class Evaluated(Wire):
    """The value, or what is wrong. ``kind`` is that of the value: text, int, double, bool, null, list, object."""

    ok: bool
    value: Any
    kind: str | None
    error: Fault | None
