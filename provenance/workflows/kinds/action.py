"""The kind `action`: change something outside, over HTTP, or tell others on the bus (spec/automation.md, 6.1)."""

from collections.abc import Iterator
from typing import Any, ClassVar, Final

from provenance.bus.messages.schemas import MOST_TTL_SECONDS
from provenance.bus.topics import TOPIC_RULE, is_topic
from provenance.workflows.kinds import words
from provenance.workflows.kinds.kind import RETRY, Config, OnUnknown, Power, Retry, Risk, StepKind
from provenance.workflows.kinds.web import ANSWER, ANY, REQUEST, WEB, http_powers, needs, plain, request
from provenance.workflows.mapping import OPEN
from provenance.workflows.problems import Problem

BUS: Final = "bus"
_OF_REQUESTS: Final = {
    "method": {"enum": ["POST", "PUT", "PATCH", "DELETE"], "default": "POST"},
    "body": words.ANY_MAPPING,
    "idempotencyKey": words.TEMPLATE,
    "honoursIdempotencyKey": {"type": "boolean", "default": False},
    **REQUEST,
}
_OF_MESSAGES: Final = {
    "topic": words.TEMPLATE | {"minLength": 1},
    "payload": words.ANY_MAPPING,
    "topicKey": words.TEMPLATE,
    "correlationId": words.TEMPLATE,
    "ttlSeconds": {"type": "integer", "minimum": 1, "maximum": MOST_TTL_SECONDS},
}
"""Of the target `bus`: a message, whose payload is the step's input unless it says otherwise."""

_PUBLISHED: Final = words.config(
    {
        "msgId": {"type": "string"},
        "topic": {"type": "string"},
        "publishedAt": {"type": "string"},
        "matchedSubscriptions": {"type": "integer"},
    },
    required=("msgId", "topic", "publishedAt", "matchedSubscriptions"),
)


class Action(StepKind):
    """Change something outside, over HTTP, or publish a message on the bus."""

    name: ClassVar[str] = "action"
    summary: ClassVar[str] = "Change something outside, or publish a message on the bus."
    retry: ClassVar[Retry] = RETRY
    config_schema: ClassVar[dict[str, Any]] = words.config(
        {
            "target": {"enum": ["http", "connection", BUS]},
            "trustLevel": {"enum": ["low", "medium", "high"]},
            "riskLevel": words.RISK | {"description": "By default high; medium where the target is the bus."},
            **_OF_REQUESTS,
            **_OF_MESSAGES,
        },
        required=("target",),
    )

    def is_effect(self, config: Config) -> bool:
        """Always."""
        return True

    def risk(self, config: Config) -> Risk:
        """As it says; a write to an outside system is high, the bus is an internal one."""
        return Risk.of(config.get("riskLevel", "medium" if config["target"] == BUS else "high"))

    def powers(self, config: Config) -> tuple[Power, ...]:
        """It sends to its topic; or it touches its host and uses its connection."""
        if config["target"] == BUS:
            return (Power("send", "topic", plain(config.get("topic", ANY))),)
        return http_powers("touch", config)

    def on_unknown(self, config: Config) -> OnUnknown:
        """Tried again where a second time does nothing: on the bus, and where the target keeps the key."""
        again = config.get("target") == BUS or config.get("honoursIdempotencyKey")
        return "retry" if again else "ask"

    def output_schema(self, config: Config) -> dict[str, Any] | None:
        """What was published, or the answer of the service."""
        if config.get("target") == BUS:
            return _PUBLISHED
        return ANSWER if config.get("target") in WEB else None

    def problems(self, config: Config, at: str) -> Iterator[Problem]:
        """A message needs its topic, a request its address; neither takes what is the other's."""
        if config["target"] == BUS:
            yield from _strange(config, at, _OF_REQUESTS)
            yield from _topic(config, at)
        else:
            yield from _strange(config, at, _OF_MESSAGES)
            yield from request(config, at, config["target"])


def _strange(config: Config, at: str, members: dict[str, Any]) -> Iterator[Problem]:
    for member in config:
        if member in members:
            yield Problem(f"{at}.{member}", "unexpected", f"target {config['target']} takes none")


def _topic(config: Config, at: str) -> Iterator[Problem]:
    """A topic that no run decides is held to the rule of topics."""
    yield from needs(config, at, f"target {BUS}", "topic")
    topic = config.get("topic")
    if topic is not None and OPEN not in topic and not is_topic(topic):
        yield Problem(f"{at}.topic", "bad_topic", TOPIC_RULE)
