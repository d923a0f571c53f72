"""What a plan may limit, by the names of `GET /billing/summary` (spec/automation.md, 5.14)."""

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

LIMITS = (
    "runs",
    "steps",
    "busMessages",
    "storageBytes",
    "members",
    "tokensIn",
    "tokensOut",
    "modelCostUsd",
    "mcpCalls",
    "auditEvents",
)


def _known(limits: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """Refuse a limit of a name that nothing is counted by: it would limit nothing, and nobody would notice."""
    for plan, named in limits.items():
        for name in named:
            if name not in LIMITS:
                raise PydanticCustomError("unknown_limit", f"{plan}.{name} is no limit; known are {', '.join(LIMITS)}.")
    return limits


PlanLimits = Annotated[dict[str, dict[str, Annotated[int, Field(ge=0)]]], AfterValidator(_known)]
"""Limits by plan, then by what is limited."""
