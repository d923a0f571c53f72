"""The kinds that reach outside of the run: read, change, tell, store, start another workflow."""

from collections.abc import Iterator
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from provenance.workflows.kinds import words
from provenance.workflows.kinds.kind import READS, RETRY, Config, OnUnknown, Power, Reading, Retry, Risk, StepKind, Verb
from provenance.workflows.mapping import OPEN
from provenance.workflows.problems import Problem

ANY: Final = "*"
_HEADERS: Final = {"type": "object", "additionalProperties": words.TEMPLATE, READS: Reading.MAPPING}
_HTTP: Final = {
    "url": words.TEMPLATE | {"minLength": 1, "maxLength": 8192},
    "query": words.ANY_MAPPING,
    "headers": _HEADERS,
    "connectionId": words.ID,
    "secretId": words.ID,
    "secretHeader": {"type": "string", "pattern": "^[A-Za-z0-9-]{1,100}$", "default": "Authorization"},
    "secretPrefix": {"type": "string", "maxLength": 50},
}
"""``secretId`` names a secret that one header carries: as a bearer token, or under another name as it is."""


_ANSWER: Final = words.config(
    {
        "status": {"type": "integer"},
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
        "body": {},
    },
    required=("status", "headers", "body"),
)
"""What a request over HTTP gives."""


def host_of(url: str) -> str:
    """Return the scheme and host of a URL that may hold expressions; ``*`` where a run decides it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ANY
    if OPEN in parts.netloc or not host:
        return ANY
    return f"{parts.scheme}://{host}" if port is None else f"{parts.scheme}://{host}:{port}"


def _plain(value: Any) -> str:
    return ANY if not isinstance(value, str) or OPEN in value else value


def _needs(config: Config, at: str, why: str, *members: str) -> Iterator[Problem]:
    for member in members:
        if member not in config:
            yield Problem(f"{at}.{member}", "missing", f"{why} needs it")


def _url(config: Config, at: str) -> Iterator[Problem]:
    """A URL that begins with a plain scheme must begin with one of the web."""
    url = config.get("url", "")
    if url and not url.startswith((OPEN, "http://", "https://")):
        yield Problem(f"{at}.url", "bad_url", "begins with http:// or https://")


_WEB: Final = ("http", "connection")


def _request(config: Config, at: str, way: str) -> Iterator[Problem]:
    """A request needs an address: a whole one, or with a connection one below the connection's own."""
    yield from _needs(config, at, way, "url")
    if way == "connection":
        yield from _needs(config, at, way, "connectionId")
    elif "connectionId" not in config:
        yield from _url(config, at)
    if "connectionId" in config and "secretId" in config:
        yield Problem(f"{at}.secretId", "unexpected", "a connection brings its own credential")


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
            **_HTTP,
        },
        required=("source",),
    )

    def powers(self, config: Config) -> tuple[Power, ...]:
        """It reads its host, its connection or its datastore."""
        if config["source"] == "datastore":
            return (Power("read", "datastore", _plain(config.get("datastoreId"))),)
        return _http_powers("read", config)

    def output_schema(self, config: Config) -> dict[str, Any] | None:
        """The answer of the service."""
        return _ANSWER if config.get("source") in _WEB else None

    def problems(self, config: Config, at: str) -> Iterator[Problem]:
        """Each source has its own members."""
        if config["source"] in _WEB:
            yield from _request(config, at, config["source"])
        else:
            yield from _needs(config, at, "source datastore", "datastoreId")


def _http_powers(verb: Verb, config: Config) -> tuple[Power, ...]:
    found = []
    if "connectionId" in config:
        found.append(Power(verb, "connection", config["connectionId"]))
    if "connectionId" not in config or "://" in config.get("url", ""):
        found.append(Power(verb, "http", host_of(config.get("url", ""))))
    if "secretId" in config:
        found.append(Power("read", "secret", config["secretId"]))
    return tuple(found)


class Action(StepKind):
    """Change something outside, over HTTP."""

    name: ClassVar[str] = "action"
    summary: ClassVar[str] = "Change something outside."
    retry: ClassVar[Retry] = RETRY
    config_schema: ClassVar[dict[str, Any]] = words.config(
        {
            "target": {"enum": ["http", "connection"]},
            "method": {"enum": ["POST", "PUT", "PATCH", "DELETE"], "default": "POST"},
            "body": words.ANY_MAPPING,
            "trustLevel": {"enum": ["low", "medium", "high"]},
            "riskLevel": words.RISK | {"default": "high"},
            "idempotencyKey": words.TEMPLATE,
            "honoursIdempotencyKey": {"type": "boolean", "default": False},
            **_HTTP,
        },
        required=("target",),
    )

    def is_effect(self, config: Config) -> bool:
        """Always."""
        return True

    def risk(self, config: Config) -> Risk:
        """As it says; a write to an outside system is high."""
        return Risk.of(config.get("riskLevel", "high"))

    def powers(self, config: Config) -> tuple[Power, ...]:
        """It touches its host and uses its connection."""
        return _http_powers("touch", config)

    def on_unknown(self, config: Config) -> OnUnknown:
        """Tried again only where the target keeps the key."""
        return "retry" if config.get("honoursIdempotencyKey") else "ask"

    def output_schema(self, config: Config) -> dict[str, Any] | None:
        """The answer of the service."""
        return _ANSWER if config.get("target") in _WEB else None

    def problems(self, config: Config, at: str) -> Iterator[Problem]:
        """An address is needed."""
        yield from _request(config, at, config["target"])


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
            "url": _HTTP["url"],
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
            found += [Power("send", "email", _plain(to)) for to in config.get("to", ())]
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
            yield from _needs(config, at, "the channel webhook", "url")
            yield from _url(config, at)
        if "slack" in config["channels"]:
            yield from _needs(config, at, "the channel slack", "connectionId", "slackChannel")


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
            yield from _needs(config, at, f"op {config['op']}", "key")
        if config["op"] == "write":
            yield from _needs(config, at, "op write", "value")


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
