"""The WebSocket: `/ws` (spec/automation.md, 10; rows 134 to 136)."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from provenance.core.door import PROBLEM_TYPE, Authenticate, problem_headers
from provenance.core.errors import Problem
from provenance.core.ids import new_request_id
from provenance.core.limits import Limiter
from provenance.realtime.credentials import PROTOCOL, admitted, exchange_of, expires_of
from provenance.realtime.errors import BadMessage, OtherIdentity
from provenance.realtime.hub import Hub
from provenance.realtime.line import Asked, Line, refusal
from provenance.realtime.schemas import ClientMessage, Frame, control
from provenance.realtime.schemas import Message as Written
from provenance.realtime.selecting import Selected

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

GONE_SECONDS = 1.0
MESSAGE_BYTES = 64 * 1024
_CLOSES = {401: 4401, 500: 1011, 503: 1012}
"""Close codes by the status of what ended a connection; any other is 4400."""
_decode = msgspec.json.Decoder(ClientMessage).decode


class Sockets:
    """The ASGI application of the WebSocket."""

    def __init__(self, hub: Hub, authenticate: Authenticate, limiter: Limiter) -> None:
        """Take the hub, who knows credentials, and the limit that messages count against like requests."""
        self._hub, self._authenticate, self._limiter = hub, authenticate, limiter

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        endings: list[asyncio.Task[None]] = []

        async def write(message: bytes | str) -> None:
            await send({"type": "websocket.send", "text": message})

        def end(problem: Problem) -> None:
            endings.append(asyncio.create_task(_close(line, send, problem)))

        try:
            exchange = exchange_of(scope)
            actor, expires = await admitted(exchange, self._authenticate)
            line = await self._hub.open(actor, expires=expires, write=write, encode=_written, end=end)
        except Problem as problem:
            await _refuse(receive, send, problem)
            return
        try:
            protocol = PROTOCOL if PROTOCOL in scope.get("subprotocols", ()) else None
            await send({"type": "websocket.accept", "subprotocol": protocol})
            while (message := await receive())["type"] != "websocket.disconnect":
                if message["type"] == "websocket.receive":
                    await self._take(line, message.get("text") or "")
        finally:
            await self._hub.release(line)
            await asyncio.gather(*endings, return_exceptions=True)

    async def _take(self, line: Line, text: str) -> None:
        """Do what a message asks for, and answer it, once there is room: who doesn't read isn't read either."""
        message = None
        try:
            await line.outbox.room()
            self._limiter.take(line.actor.id)
            message = _read(text)
            answer = await self._done(line, message)
        except Problem as problem:
            answer = refusal(None if message is None else message.id, problem)
        line.say(answer)

    async def _done(self, line: Line, message: ClientMessage) -> Frame:
        members: dict[str, Any] = {}
        match message.action:
            case "ping":
                pass
            case "auth":
                await self._renew(line, message)
            case "unsubscribe":
                line.unsubscribe(_named(message))
            case "resume" if message.channels is None:
                await line.resume(_last_seq(message))
            case _:
                if message.action == "resume":
                    _last_seq(message)
                asked = Asked(_named(message), message.filter, message.sample, message.last_seq)
                catalogue = await self._hub.ledger.catalogues.of(line.actor.workspace_id)
                members = {"channels": asked.channels, "seq": await line.subscribe(catalogue, asked)}
        return control("ack", id=message.id, **members)

    async def _renew(self, line: Line, message: ClientMessage) -> None:
        """Go on with a fresh token. Raises NotAuthenticated and OtherIdentity."""
        scope = {"headers": [(b"authorization", f"Bearer {message.token or ''}".encode("latin-1", "replace"))]}
        exchange = exchange_of({"path": "/ws", **scope})
        actor, _ = await admitted(exchange, self._authenticate)
        if (actor.id, actor.workspace_id) != (line.actor.id, line.actor.workspace_id):
            raise OtherIdentity("Renew a connection with a token of the same person in the same workspace.")
        line.expires = expires_of(actor, exchange.headers)
        line.change_actor(actor)


def _read(text: str) -> ClientMessage:
    if len(text) > MESSAGE_BYTES:
        raise BadMessage(f"A message is at most {MESSAGE_BYTES // 1024} KiB.")
    try:
        return _decode(text)
    except msgspec.ValidationError as error:
        raise BadMessage(str(error)) from None
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise BadMessage("A message is one JSON object as text.") from None


def _named(message: ClientMessage) -> list[str]:
    if not message.channels:
        raise BadMessage.at("channels", "name at least one channel")
    return message.channels


def _last_seq(message: ClientMessage) -> int:
    if message.last_seq is None:
        raise BadMessage.at("lastSeq", "is the number to go on after")
    return message.last_seq


def _written(selected: Selected) -> list[Written]:
    return selected.messages


async def _close(line: Line, send: Send, problem: Problem) -> None:
    await line.outbox.finish()
    code = _CLOSES.get(problem.status, 4400)
    await send({"type": "websocket.close", "code": code, "reason": problem.code})


async def _refuse(receive: Receive, send: Send, problem: Problem) -> None:
    """Answer a handshake with a problem, as any request would be."""
    body = problem.body(new_request_id())
    headers = [(b"content-type", PROBLEM_TYPE), *problem_headers(problem)]
    await send({"type": "websocket.http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
    with contextlib.suppress(TimeoutError):  # the server takes it for a failure if we return before it hung up
        async with asyncio.timeout(GONE_SECONDS):
            for _ in ("connect", "answered", "gone"):
                await receive()
