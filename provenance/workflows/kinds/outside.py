"""The kinds that reach outside of the run: read, tell, store, start another workflow; `action` changes."""

from collections.abc import Iterator
from typing import Any, ClassVar, Final

from provenance.workflows.kinds import words
from provenance.workflows.kinds.kind import RETRY, Config, OnUnknown, Power, Retry, Risk, StepKind, Verb
from provenance.workflows.kinds.web import (
    ANSWER,
    ANY,
    REQUEST,
    WEB,
    address,
    host_of,
    http_powers,
    needs,
    plain,
    request,
)
from provenance.workflows.problems import Problem


class Data(StepKind):
    """Read from an HTTP service or a datastore; by contract nothing is changed."""

    name: ClassVar[str] = "data"
    summary: ClassVar[str] = "Read from outside; changes nothing."
    retry: ClassVar[Retry] = RETRY
    config_schema: ClassVar[dict[str, Any]] = words.config(
        {
            "source": {"enum": ["http", "connection", "datastore"]},
            "method": {"enum": ["GET", "HEAD"], "default": "GET"},
            "datastoreId": words.ID,
            "key": words.TEMPLATE,
            "prefix": words.TEMPLATE,
            **REQUEST,
        },
        required=("source",),
    )

    def powers(self, config: Config) -> tuple[Power, ...]:
        """It reads its host, its connection or its datastore."""
        if config["source"] == "datastore":
            return (Power("read", "datastore", plain(config.get("datastoreId"))),)
        return http_powers("read", config)

    def output_schema(self, config: Config) -> dict[str, Any] | None:
        """The answer of the service."""
        return ANSWER if config.get("source") in WEB else None

    def problems(self, config: Config, at: str) -> Iterator[Problem]:
        """Each source has its own members."""
        if config["source"] in WEB:
            yield from request(config, at, config["source"])
        else:
            yield from needs(config, at, "source datastore", "datastoreId")


_CHANNELS: Final = ["email", "webhook", "slack"]


class Notify(StepKind):
    """Tell people: by e-mail, by a webhook, in a channel of Slack."""

    name: ClassVar[str] = "notify"
    summary: ClassVar[str] = "Tell people."
    timeout_seconds: ClassVar[float] = 30.0
    config_schema: ClassVar[dict[str, Any]] = words.config(
        {
            "channels": {"type": "array", "items": {"enum": _CHANNELS}, "minItems": 1, "uniqueItems": True},
            "to": {"type": "array", "items": words.TEMPLATE, "maxItems": 100},
            "title": words.TEMPLATE,
            "body": words.TEMPLATE,
            "url": REQUEST["url"],
            "secretId": words.ID,
            "slackChannel": words.TEMPLATE,
            "connectionId": words.ID,
            "riskLevel": words.RISK | {"default": "high"},
        },
        required=("channels", "title"),
    )

    def is_effect(self, config: Config) -> bool:
        """A message that was sent stays sent."""
        return True

    def risk(self, config: Config) -> Risk:
        """As it says; a message to an outside system is high."""
        return Risk.of(config.get("riskLevel", "high"))

    def powers(self, config: Config) -> tuple[Power, ...]:
        """It sends to each address and to the webhook's host."""
        found = []
        if "email" in config["channels"]:
            found += [Power("send", "email", plain(to)) for to in config.get("to", ())]
        if "webhook" in config["channels"]:
            found.append(Power("send", "webhook", host_of(config.get("url", ""))))
        if "slack" in config["channels"]:
            found.append(Power("send", "connection", config.get("connectionId", ANY)))
        if "secretId" in config:
            found.append(Power("read", "secret", config["secretId"]))
        return tuple(found)

    def on_unknown(self, config: Config) -> OnUnknown:
        """A second message is worse than a question."""
        return "ask"

    def problems(self, config: Config, at: str) -> Iterator[Problem]:
        """Each channel has its own members."""
        if "email" in config["channels"] and not config.get("to"):
            yield Problem(f"{at}.to", "missing", "the channel email needs somebody to write to")
        if "webhook" in config["channels"]:
            yield from needs(config, at, "the channel webhook", "url")
            yield from address(config, at)
        if "slack" in config["channels"]:
            yield from needs(config, at, "the channel slack", "connectionId", "slackChannel")


class Storage(StepKind):
    """Read, write, list or delete objects of a datastore."""

    name: ClassVar[str] = "storage"
    summary: ClassVar[str] = "Read, write, list or delete objects."
    retry: ClassVar[Retry] = RETRY
    config_schema: ClassVar[dict[str, Any]] = words.config(
        {
            "op": {"enum": ["read", "write", "list", "delete"]},
            "datastoreId": words.ID,
            "key": words.TEMPLATE,
            "prefix": words.TEMPLATE,
            "value": words.ANY_MAPPING,
            "contentType": {"type": "string", "maxLength": 200},
        },
        required=("op", "datastoreId"),
    )

    def is_effect(self, config: Config) -> bool:
        """A write and a delete are."""
        return config["op"] in ("write", "delete")

    def risk(self, config: Config) -> Risk:
        """Our own store is an internal system; what is deleted is gone."""
        return {"write": Risk.MEDIUM, "delete": Risk.HIGH}.get(config["op"], Risk.LOW)

    def powers(self, config: Config) -> tuple[Power, ...]:
        """It reads or touches its datastore."""
        verb: Verb = "touch" if self.is_effect(config) else "read"
        return (Power(verb, "datastore", config["datastoreId"]),)

    def problems(self, config: Config, at: str) -> Iterator[Problem]:
        """One object needs its key, a write its value."""
        if config["op"] != "list":
            yield from needs(config, at, f"op {config['op']}", "key")
        if config["op"] == "write":
            yield from needs(config, at, "op write", "value")


class Child(StepKind):
    """Start a run of another workflow, and wait for it or not."""

    name: ClassVar[str] = "workflow"
    summary: ClassVar[str] = "Start a run of another workflow."
    timeout_seconds: ClassVar[float] = 24 * 3600.0
    config_schema: ClassVar[dict[str, Any]] = words.config(
        {
            "workflowId": words.ID,
            "version": {"type": "integer", "minimum": 1},
            "input": words.ANY_MAPPING,
            "wait": {"type": "boolean", "default": True},
        },
        required=("workflowId",),
    )

    def is_effect(self, config: Config) -> bool:
        """The child's own effects are its own; that it begins is one."""
        return True

    def risk(self, config: Config) -> Risk:
        """The child has gates of its own."""
        return Risk.MEDIUM

    def output_schema(self, config: Config) -> dict[str, Any]:
        """Which run it is, and how it ended where that was waited for."""
        run_id = {"runId": {"type": "string"}}
        if config.get("wait") is False:
            return words.config(run_id, required=("runId",))
        return words.config({**run_id, "status": {"type": "string"}, "output": {}}, required=("runId", "status"))

    def powers(self, config: Config) -> tuple[Power, ...]:
        """It starts the other workflow."""
        return (Power("start", "workflow", config["workflowId"]),)
