"""One request handed to an application as a server hands it over, without the price of a client and a socket.

For the tables that ask every route with every kind of credential: what a connection adds is shown elsewhere.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

from provenance.core.door import Door

BODILESS = ("GET", "HEAD", "DELETE")


class Answer(NamedTuple):
    """What was answered: the status, and the part of the body that came with it."""

    status: int
    body: bytes


async def ask(door: Door, method: str, path: str, headers: Mapping[str, str]) -> Answer:
    """Send one request with a body that is no JSON; don't wait for the end of an answer that streams."""
    body = b"" if method in BODILESS else b"{"
    sent = {**headers, "host": "localhost", "content-type": "application/json", "content-length": str(len(body))}
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 1),
        "scheme": "http",
        "http_version": "1.1",
    }
    parts = [{"type": "http.request", "body": body, "more_body": False}]
    began = asyncio.Event()
    status, received = 0, b""

    async def receive() -> dict[str, Any]:
        if parts:
            return parts.pop()
        await began.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal status, received
        if message["type"] == "http.response.start":
            status = message["status"]
            began.set()
        elif message["type"] == "http.response.body":
            received += message.get("body", b"")

    async with asyncio.timeout(20):
        await door(scope, receive, send)
    return Answer(status, received)
