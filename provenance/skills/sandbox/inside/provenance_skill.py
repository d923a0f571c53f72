"""What a Python skill may import of the platform: ``request``, ``secrets`` and ``Failed``.

from provenance_skill import request

def run(input):
    return request("GET", "https://api.example.com/items").json()
"""

import json as _json
import os as _os
from collections.abc import Mapping
from typing import Any

secrets: dict[str, str] = {}
"""The values of the secrets that the skill names in ``secretRefs``, by the name it wrote there."""

idempotency_key: str | None = None
"""In a step of a run: the same for each attempt at it. Send it on, and a target that keeps it acts once."""

_channel = -1
_HEAD_BYTES = 64 * 1024


class Failed(Exception):
    """The skill can't do what it was asked to. ``code`` is a snake_case word that steps can retry on."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Response:
    """An answer, whatever its status. ``headers`` have lower-case names."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def text(self) -> str:
        """The body as a text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body as JSON. Raises ValueError."""
        return _json.loads(self.body)


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | str | None = None,
    json: Any = None,
) -> Response:
    """Send a request to a host that the skill's ``egress`` lists, or a path (``/v1/items``) to its connection.

    The platform puts the connection's credential on; it is never seen here. Raises Failed with the code
    ``egress_refused`` for a host that is not listed, ``unavailable`` when no whole answer came.
    """
    if _channel < 0:
        raise Failed("egress_refused", "This skill reaches nothing outside: its egress lists no host.")
    sent = dict(headers or {})
    if json is not None:
        body = _json.dumps(json)
        sent.setdefault("content-type", "application/json")
    data = body.encode() if isinstance(body, str) else body or b""
    head = {"method": method, "url": url, "headers": sent, "bytes": len(data)}
    _send(_json.dumps(head).encode() + b"\n" + data)
    answer = _json.loads(_line())
    if "code" in answer:
        raise Failed(answer["code"], answer["message"])
    return Response(answer["status"], answer["headers"], _take(answer["bytes"]))


def _send(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[_os.write(_channel, view) :]


def _line() -> bytes:
    found = bytearray()
    while not found.endswith(b"\n"):
        found += _take(1)
        if len(found) > _HEAD_BYTES:
            raise Failed("unavailable", "The answer's head is too large.")
    return bytes(found)


def _take(count: int) -> bytes:
    parts = []
    while count:
        part = _os.read(_channel, min(count, 1 << 20))
        if not part:
            raise Failed("unavailable", "The way out was closed.")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
