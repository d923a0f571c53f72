"""A call of the API as a value, and the rules that spell it on the wire."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from provenance_client.content import encode, utc_text

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One call: `path` below `/api` (below the host's root when `at_root`); `T` is what the answer's JSON is.

    `params` and `headers` are already in wire spelling; `content` is the encoded body, None for no body.
    """

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    at_root: bool = False

    def with_param(self, name: str, value: str) -> Request[T]:
        """The same call with one query parameter set anew."""
        kept = tuple(pair for pair in self.params if pair[0] != name)
        return replace(self, params=(*kept, (name, value)))


def camel(name: str) -> str:
    """`resource_type_id` → `resourceTypeId`; a name without underscore stays as it is."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def segment(value: str | uuid.UUID) -> str:
    """One path segment, every reserved character escaped."""
    return quote(str(value), safe="")


def query(**arguments: object) -> tuple[tuple[str, str], ...]:
    """Query parameters from snake_case arguments.

    None is left out, a list repeats the parameter, dates become UTC text.
    """
    return tuple(
        (camel(name), _text(item)) for name, value in arguments.items() for item in _each(value) if item is not None
    )


def body(**arguments: object) -> bytes:
    """A JSON object from snake_case arguments, None left out.

    Raises InvalidRequest for what JSON cannot hold.
    """
    return encode(present(arguments))


def present(arguments: Mapping[str, object]) -> dict[str, object]:
    """The arguments that were given, in wire spelling."""
    return {camel(name): value for name, value in arguments.items() if value is not None}


def headers(**arguments: object) -> dict[str, str]:
    """Request headers from `x_uowid`-style arguments; None is left out."""
    return {name.replace("_", "-"): _text(value) for name, value in arguments.items() if value is not None}


JSON = {"content-type": "application/json"}


def _each(value: object) -> Iterable[object]:
    return value if isinstance(value, list | tuple | set | frozenset) else (value,)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return utc_text(value) if isinstance(value, datetime) else str(value)


def json_request(method: str, path: str, content: bytes, **more: Any) -> Request[Any]:
    """A call that carries a JSON body."""
    sent = {**JSON, **more.pop("headers", {})}
    return Request(method, path, content=content, headers=sent, **more)
