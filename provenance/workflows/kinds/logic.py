"""The kinds that decide, reshape, pause and ask: all of them stay inside the run."""

from collections.abc import Iterator
from typing import Any, ClassVar

from provenance.workflows.kinds import words
from provenance.workflows.kinds.kind import Config, Risk, StepKind
from provenance.workflows.problems import Problem


class Logic(StepKind):
    """Branch by conditions, or make a value of others; several incoming edges merge."""

    name: ClassVar[str] = "logic"
    summary: ClassVar[str] = "Branch (if, switch) or reshape data (transform)."
    inline: ClassVar[bool] = True
    timeout_seconds: ClassVar[float] = 5.0
    config_schema: ClassVar[dict[str, Any]] = words.config(
        {
            "mode": {"enum": ["if", "switch", "transform"]},
            "cases": {
                "type": "array",
                "maxItems": 50,
                "items": words.config({"name": words.NAME, "when": words.CONDITION}, required=("name", "when")),
            },
            "default": words.NAME,
            "transform": words.ANY_MAPPING,
        },
        required=("mode",),
    )

    def cases(self, config: Config) -> tuple[str, ...]:
        """The names of its cases, the default last."""
        names = [each["name"] for each in config.get("cases", ())]
        return (*names, config["default"]) if "default" in config else tuple(names)

    def problems(self, config: Config, at: str) -> Iterator[Problem]:
        """Cases for a branch, one for an if, a transform for a transform; names once each."""
        mode, names = config["mode"], self.cases(config)
        if mode == "transform":
            if "transform" not in config:
                yield Problem(f"{at}.transform", "missing", "mode transform needs it")
            if names:
                yield Problem(f"{at}.cases", "unexpected", "mode transform has no cases")
            return
        if "transform" in config:
            yield Problem(f"{at}.transform", "unexpected", f"mode {mode} has no transform")
        if not config.get("cases"):
            yield Problem(f"{at}.cases", "missing", f"mode {mode} needs at least one case")
        if mode == "if" and len(config.get("cases", ())) > 1:
            yield Problem(f"{at}.cases", "unexpected", "an if has one case and a default; more make a switch")
        for number, name in enumerate(names):
            if name in names[:number]:
                yield Problem(f"{at}.cases", "duplicate", f"the case {name} is there twice")


class Wait(StepKind):
    """A pause, for a time or until a moment."""

    name: ClassVar[str] = "wait"
    summary: ClassVar[str] = "Pause for a time or until a moment."
    inline: ClassVar[bool] = True
    timeout_seconds: ClassVar[float] = 5.0
    config_schema: ClassVar[dict[str, Any]] = words.config({"seconds": words.SECONDS, "until": words.TEMPLATE})

    def output_schema(self, config: Config) -> dict[str, Any]:
        """When it went on."""
        return words.config({"resumedAt": {"type": "string"}}, required=("resumedAt",))

    def problems(self, config: Config, at: str) -> Iterator[Problem]:
        """Exactly one of the two."""
        if ("seconds" in config) == ("until" in config):
            yield Problem(at, "missing", "a wait has either seconds or until")


_SLA = {"type": "integer", "minimum": 1, "maximum": 525_600}
_ASSIGNEE = words.config({"kind": {"enum": ["user", "role", "group"]}, "id": words.ID}, required=("kind", "id"))
_EVIDENCE = words.config(
    {
        "label": words.TEMPLATE,
        "value": words.ANY_MAPPING,
        "tone": {"enum": ["slate", "amber", "red", "emerald", "blue"]},
    },
    required=("label", "value"),
)


class Approval(StepKind):
    """A gate: the run goes on when people say so."""

    name: ClassVar[str] = "approval"
    summary: ClassVar[str] = "Ask people; go on when they approve."
    inline: ClassVar[bool] = True
    is_gate: ClassVar[bool] = True
    timeout_seconds: ClassVar[float] = 5.0
    config_schema: ClassVar[dict[str, Any]] = words.config(
        {
            "title": words.TEMPLATE,
            "action": words.TEMPLATE,
            "summary": words.TEMPLATE,
            "risk": words.RISK,
            "assignees": {"type": "array", "items": _ASSIGNEE, "maxItems": 50},
            "payload": words.ANY_MAPPING,
            "payloadSchema": words.SCHEMA,
            "evidence": {"type": "array", "items": _EVIDENCE, "maxItems": 50},
            "slaMinutes": _SLA,
            "expiresMinutes": _SLA,
            "onBreach": {"enum": ["notify", "escalate", "reject", "approve"], "default": "notify"},
            "escalateTo": {"type": "array", "items": _ASSIGNEE, "maxItems": 50},
            "requiredApprovals": {"type": "integer", "minimum": 1, "maximum": 20},
            "requirePasskey": {"type": "boolean", "default": False},
            "rejectBehaviour": {"enum": ["fail", "branch"], "default": "fail"},
        },
        required=("title", "risk"),
    )

    def output_schema(self, config: Config) -> dict[str, Any]:
        """What was decided, by whom, on which payload."""
        text, names = (
            {"type": ["string", "null"]},
            ("decision", "payload", "decidedBy", "decidedAt", "comment", "edited"),
        )
        members = {
            "decision": {"type": "string"},
            "payload": config.get("payloadSchema", {}),
            "edited": {"type": "boolean"},
        }
        return words.config(dict.fromkeys(names, text) | members, required=names)

    def problems(self, config: Config, at: str) -> Iterator[Problem]:
        """High risk is never approved by the clock, and an escalation goes to somebody."""
        breach = config.get("onBreach")
        if breach == "approve" and Risk.of(config["risk"]) >= Risk.HIGH:
            yield Problem(f"{at}.onBreach", "not_allowed", "high and critical risk are never approved by a delay")
        if breach == "escalate" and not config.get("escalateTo"):
            yield Problem(f"{at}.escalateTo", "missing", "an escalation needs somebody to go to")
