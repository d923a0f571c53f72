"""The kind that calls a skill: code of the workspace, in the sandbox."""

from typing import Any, ClassVar

from provenance.workflows.kinds import words
from provenance.workflows.kinds.kind import RETRY, Config, Power, Retry, Risk, StepKind


class Skill(StepKind):
    """Call a skill, in the version that was current when the workflow was published unless it names another."""

    name: ClassVar[str] = "skill"
    summary: ClassVar[str] = "Call a skill."
    timeout_seconds: ClassVar[float] = 30.0
    retry: ClassVar[Retry] = RETRY
    config_schema: ClassVar[dict[str, Any]] = words.config(
        {
            "skillId": words.ID,
            "version": {"type": "integer", "minimum": 1},
            "input": words.ANY_MAPPING,
            "riskLevel": words.RISK | {"default": "medium"},
            "idempotencyKey": words.TEMPLATE,
        },
        required=("skillId",),
    )

    def is_effect(self, config: Config) -> bool:
        """A skill may reach the hosts of its egress, so what it did is not known when its worker is lost."""
        return True

    def risk(self, config: Config) -> Risk:
        """As it says; by default that of a write to an internal system."""
        return Risk.of(config.get("riskLevel", "medium"))

    def powers(self, config: Config) -> tuple[Power, ...]:
        """It starts the skill."""
        return (Power("start", "skill", config["skillId"]),)
