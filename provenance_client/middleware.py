"""ASGI: everything a request's handler logs belongs to the caller's unit of work."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from provenance_client.recording.scope import Entered, Scope, new_id

AsgiScope = MutableMapping[str, Any]
AsgiApp = Callable[[AsgiScope, Any, Any], Awaitable[None]]
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


class ProvenanceMiddleware:
    """Sets the context of each HTTP request and WebSocket from `x-uowid`, `x-parent-span-id` and
    `traceparent`.

    Without `x-uowid` the trace id is the unit of work; without both it is new. A malformed value counts as
    absent: it is the caller's mistake and no reason to fail the request. `user_id(scope)` names the acting
    user, or None.
    """

    def __init__(self, app: AsgiApp, *, user_id: Callable[[AsgiScope], str | None] | None = None) -> None:
        self._app = app
        self._user_id = user_id

    async def __call__(self, scope: AsgiScope, receive: Any, send: Any) -> None:
        """Run the application for one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        user_id = self._user_id(scope) if self._user_id else None
        async with Entered(incoming_scope(_headers(scope), user_id)):
            await self._app(scope, receive, send)


def incoming_scope(headers: dict[str, str], user_id: str | None = None) -> Scope:
    """The scope that a request's headers (lower-case names) ask for."""
    trace_id = _trace_id(headers.get("traceparent", ""))
    uow_id = _uuid(headers.get("x-uowid")) or _uuid(trace_id) or new_id()
    return Scope(uow_id, _uuid(headers.get("x-parent-span-id")), trace_id, user_id)


def _headers(scope: AsgiScope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _trace_id(traceparent: str) -> str | None:
    match = _TRACEPARENT.fullmatch(traceparent.strip())
    return match[1] if match and match[1] != "0" * 32 else None


def _uuid(text: str | None) -> str | None:
    try:
        return str(uuid.UUID(text)) if text else None
    except ValueError:
        return None
