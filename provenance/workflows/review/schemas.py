"""What a review shows."""

from typing import Literal

from provenance.workflows.schemas import ProblemShown, Wire

Change = Literal["added", "removed", "changed", "same"]
RiskWord = Literal["low", "medium", "high", "critical"]


class StepShown(Wire):
    """A step of either definition, and what became of it."""

    key: str
    kind: str
    name: str
    change: Change


class EdgeShown(Wire):
    """An edge of either definition."""

    source: str
    target: str
    on: str
    change: Change


class Graph(Wire):
    """Both definitions in one graph."""

    steps: list[StepShown]
    edges: list[EdgeShown]


class PowerShown(Wire):
    """Something it may do outside. ``asks``: every way to it leads through an approval; null for what only reads."""

    verb: Literal["read", "touch", "send", "start"]
    target_kind: str
    target: str
    steps: list[str]
    change: Change
    asks: bool | None
    asked: bool | None


class GateShown(Wire):
    """An approval step. ``hollow`` says why it may open without anybody's approval."""

    step: str
    risk: RiskWord
    by: list[str]
    required_approvals: int | None
    hollow: str | None
    change: Change


class CoverageShown(Wire):
    """An effect: covered by gates, or reached on a path that passes none."""

    step: str
    risk: RiskWord
    covered: bool
    gates: list[str]
    path: list[str]
    sentence: str


class Review(Wire):
    """What would change with publishing, and what keeps it from being published."""

    against: int | None
    graph: Graph
    powers: list[PowerShown]
    gates: list[GateShown]
    coverage: list[CoverageShown]
    blocking: list[ProblemShown]
