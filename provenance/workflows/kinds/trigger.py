"""The kind `trigger`: where a run begins."""

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from provenance.core.clock import now_ns
from provenance.workflows.kinds import words
from provenance.workflows.kinds.kind import Config, StepKind
from provenance.workflows.problems import Problem
from provenance.workflows.timetable import BadSchedule, next_time

_SEGMENT = r"([A-Za-z0-9_.-]+|\+)"
_PATTERN = re.compile(rf"{_SEGMENT}(/{_SEGMENT})*(/#)?|#")
_TYPES = ("manual", "api", "webhook", "schedule", "event")

_SCHEDULE = words.config(
    {
        "cron": {"type": "string", "maxLength": 200, "description": "Five fields, or six with seconds first."},
        "timezone": {"type": "string", "maxLength": 64, "default": "UTC", "description": "Such as Europe/Paris."},
        "overlap": {"enum": ["skip", "queue"], "default": "skip"},
        "catchUp": {"enum": ["none", "last", "all"], "default": "last"},
    },
    required=("cron",),
)
_EVENT = words.config(
    {
        "topicPattern": {
            "type": "string",
            "minLength": 1,
            "maxLength": 256,
            "description": "Segments with slashes: + stands for one, # for the rest.",
        },
        "filter": words.CONDITION,
    },
    required=("topicPattern",),
)
_WEBHOOK = words.config(
    {
        "preset": {"enum": ["provenance", "github", "stripe", "standard"], "default": "provenance"},
        "requireTimestamp": {"type": "boolean", "default": False},
        "deduplicate": {"enum": ["delivery", "body"], "default": "delivery"},
    }
)


class Trigger(StepKind):
    """Where a run begins: by hand, through the API, by a webhook, at a time, or on an event."""

    name: ClassVar[str] = "trigger"
    summary: ClassVar[str] = "Where a run begins."
    inline: ClassVar[bool] = True
    is_trigger: ClassVar[bool] = True
    timeout_seconds: ClassVar[float] = 5.0
    config_schema: ClassVar[dict[str, Any]] = words.config(
        {
            "type": {"enum": list(_TYPES)},
            "inputSchema": words.SCHEMA,
            "schedule": _SCHEDULE,
            "event": _EVENT,
            "webhook": _WEBHOOK,
        },
        required=("type",),
    )

    def problems(self, config: Config, at: str) -> Iterator[Problem]:
        """A schedule needs its times, an event its pattern, and each type only its own."""
        kind = config["type"]
        for member in ("schedule", "event"):
            if kind == member and member not in config:
                yield Problem(f"{at}.{member}", "missing", f"a trigger of type {kind} needs it")
        for member in ("schedule", "event", "webhook"):
            if kind != member and member in config:
                yield Problem(f"{at}.{member}", "unexpected", f"a trigger of type {kind} has none")
        if kind == "schedule" and "schedule" in config:
            yield from _schedule(config["schedule"], f"{at}.schedule")
        if kind == "event" and "event" in config and not _PATTERN.fullmatch(config["event"]["topicPattern"]):
            yield Problem(f"{at}.event.topicPattern", "bad_pattern", "is no pattern such as ledger/ORDER/+ or orders/#")


def _schedule(config: Config, at: str) -> Iterator[Problem]:
    try:
        first = next_time(config["cron"], config.get("timezone", "UTC"), now_ns())
    except BadSchedule as error:
        yield Problem(f"{at}.{error.member}", "bad_schedule", error.issue)
        return
    if first is None:
        yield Problem(f"{at}.cron", "bad_schedule", "never comes")
