"""Server-sent events: a response that goes on for as long as its client listens."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.responses import Response

from provenance.core.actor import Actor
from provenance.core.door import Exchange
from provenance.core.errors import Problem
from provenance.realtime.credentials import expires_of
from provenance.realtime.hub import Hub
from provenance.realtime.line import Asked, Line, refusal
from provenance.realtime.schemas import Message as Written
from provenance.realtime.schemas import as_events, control
from provenance.realtime.selecting import Selected

TYPE = "text/event-stream"
QUIET_SECONDS = 15.0
"""A proxy drops a response that says nothing for long."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Sending(Response):
    """The response to one client. Whatever can be wrong was found out before it."""

    media_type = TYPE

    def __init__(self, hub: Hub) -> None:
        """Take the hub; `line` is set before the response is sent."""
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._hub = hub
        self._send: Send | None = None
        self._begun = asyncio.Event()
        self._ended: asyncio.Future[Problem] = asyncio.get_running_loop().create_future()
        self.line: Line

    async def write(self, message: bytes | str) -> None:
        """Send some events, once the response has begun."""
        await self._begun.wait()
        assert self._send is not None, "it has begun"
        await self._send({"type": "http.response.body", "body": message, "more_body": True})

    def end(self, problem: Problem) -> None:
        """End the response and say why."""
        if not self._ended.done():
            self._ended.set_result(problem)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Send until the client goes or the connection is ended."""
        self._send = send
        gone = asyncio.create_task(_gone(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b": live\n\n", "more_body": True})
            self._begun.set()
            while not await self._over(gone):
                self.line.outbox.offer(b": still here\n\n")
            if self._ended.done():
                await self.line.outbox.finish()
                last = as_events([refusal(None, self._ended.result())])
                await send({"type": "http.response.body", "body": last, "more_body": False})
        finally:
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gone
            await self._hub.release(self.line)

    async def _over(self, gone: asyncio.Task[None]) -> bool:
        either: list[asyncio.Future[Any]] = [gone, self._ended]
        done, _ = await asyncio.wait(either, timeout=QUIET_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)


async def begun(hub: Hub, exchange: Exchange, actor: Actor, asked: Asked) -> Sending:
    """Open a connection that listens to some channels. Raises what `Line.subscribe` and `Hub.open` raise."""
    response = Sending(hub)
    catalogue = await hub.ledger.catalogues.of(actor.workspace_id)
    expires = expires_of(actor, exchange.headers)
    line = await hub.open(actor, expires=expires, write=response.write, encode=_written, end=response.end)
    response.line = line
    try:
        seq = await line.subscribe(catalogue, asked)
    except BaseException:
        await hub.release(line)
        raise
    line.say(control("ack", id=None, channels=asked.channels, seq=seq)._replace(seq=seq))
    return response


def _written(selected: Selected) -> list[Written]:
    return selected.events


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
