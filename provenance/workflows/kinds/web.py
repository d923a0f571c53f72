"""What kinds that send requests over HTTP have in common: members, powers, and what is wrong with an address."""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from provenance.workflows.kinds import words
from provenance.workflows.kinds.kind import READS, Config, Power, Reading, Verb
from provenance.workflows.mapping import OPEN
from provenance.workflows.problems import Problem

ANY: Final = "*"
WEB: Final = ("http", "connection")
"""The ways of a request."""
_HEADERS: Final = {"type": "object", "additionalProperties": words.TEMPLATE, READS: Reading.MAPPING}
REQUEST: Final = {
    "url": words.TEMPLATE | {"minLength": 1, "maxLength": 8192},
    "query": words.ANY_MAPPING,
    "headers": _HEADERS,
    "connectionId": words.ID,
    "secretId": words.ID,
    "secretHeader": {"type": "string", "pattern": "^[A-Za-z0-9-]{1,100}$", "default": "Authorization"},
    "secretPrefix": {"type": "string", "maxLength": 50},
}
"""``secretId`` names a secret that one header carries: as a bearer token, or under another name as it is."""

ANSWER: Final = words.config(
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


def plain(value: Any) -> str:
    """Return a text of a configuration; ``*`` where a run decides it."""
    return ANY if not isinstance(value, str) or OPEN in value else value


def needs(config: Config, at: str, why: str, *members: str) -> Iterator[Problem]:
    """Name the members that are missing, and what needs them."""
    for member in members:
        if member not in config:
            yield Problem(f"{at}.{member}", "missing", f"{why} needs it")


def address(config: Config, at: str) -> Iterator[Problem]:
    """A URL that begins with a plain scheme must begin with one of the web."""
    url = config.get("url", "")
    if url and not url.startswith((OPEN, "http://", "https://")):
        yield Problem(f"{at}.url", "bad_url", "begins with http:// or https://")


def request(config: Config, at: str, way: str) -> Iterator[Problem]:
    """A request needs an address: a whole one, or with a connection one below the connection's own."""
    yield from needs(config, at, way, "url")
    if way == "connection":
        yield from needs(config, at, way, "connectionId")
    elif "connectionId" not in config:
        yield from address(config, at)
    if "connectionId" in config and "secretId" in config:
        yield Problem(f"{at}.secretId", "unexpected", "a connection brings its own credential")


def http_powers(verb: Verb, config: Config) -> tuple[Power, ...]:
    """Return what a request may do: to its host or its connection, and with a secret."""
    found = []
    if "connectionId" in config:
        found.append(Power(verb, "connection", config["connectionId"]))
    if "connectionId" not in config or "://" in config.get("url", ""):
        found.append(Power(verb, "http", host_of(config.get("url", ""))))
    if "secretId" in config:
        found.append(Power("read", "secret", config["secretId"]))
    return tuple(found)
