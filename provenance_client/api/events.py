"""Live events: what happens in a workspace, frame by frame, across lost connections.

The server's events carry the interaction's number; after a break the next connection goes on after the last one
seen, so that nothing is lost and nothing comes twice.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from provenance_client.api.request import Request, query
from provenance_client.api.transport import AsyncTransport, SyncTransport
from provenance_client.errors import NotAllowed, NotAuthenticated, ProvenanceError

Frame = dict[str, Any]
"""`{type, channel, seq, at, workspaceId, data}`."""

SILENCE = 45.0
"""Seconds without a byte after which a connection counts as lost; the server says something every fifteen."""
FIRST_WAIT, LONGEST_WAIT = 0.25, 10.0
_PASSING = frozenset({429, 500, 502, 503, 504})


@dataclass
class Listening:
    """What is listened to, and how far it was heard."""

    channels: tuple[str, ...]
    filter: str | None = None
    sample: float | None = None
    last_seq: int | None = None
    _heard: dict[str, int] = field(default_factory=dict)
    _id: str = ""
    _data: str = ""
    _tries: int = 0
    _met: bool = False

    def request(self) -> Request[Any]:
        """The call that goes on after what was heard."""
        asked = query(channel=list(self.channels), filter=self.filter, sample=self.sample, last_seq=self.last_seq)
        return Request("GET", "/events", asked, {"accept": "text/event-stream"}, at_root=True)

    def begin(self) -> None:
        """Forget what was read of an event that was cut off."""
        self._id = self._data = ""

    def take(self, line: str) -> Frame | None:
        """Take one line; answer a frame when it ends one that is new.

        Raises NotAuthenticated when the credential ended, NotAllowed when a right to a channel was taken away.
        """
        self._met = True
        name, _, value = line.partition(": ")
        if name == "id":
            self._id = value
        elif name == "data":
            self._data = value
        elif not line:
            return self._ended()
        return None

    def wait(self, error: ProvenanceError | None) -> float:
        """Seconds to wait before the next try. Raises `error` when no try will help, or none ever did."""
        passing = error is None or error.status is None or error.status in _PASSING
        if error is not None and not (passing and self._met):
            raise error
        step = min(FIRST_WAIT * 2.0**self._tries, LONGEST_WAIT)
        self._tries = min(self._tries + 1, 16)
        asked = min(error.retry_after or 0.0, 60.0) if error is not None else 0.0
        jitter: float = random.uniform(0.5, 1.0)  # noqa: S311 - spreads clients, hides nothing
        return max(asked, step * jitter)

    def _ended(self) -> Frame | None:
        number, data = self._id, self._data
        self.begin()
        if number:
            self.last_seq = int(number)
        if not data:
            return None
        frame: Frame = json.loads(data)
        self._tries = 0
        if frame["type"] == "error":
            _refuse(frame)
        channel = frame.get("channel")
        if channel is None:
            return frame if frame["type"] == "reset" and self._is_final(frame) else None
        seq = frame["seq"]
        if seq is not None:
            if seq <= self._heard.get(channel, 0):
                return None
            self._heard[channel] = seq
        return frame

    def _is_final(self, reset: Frame) -> bool:
        """Whether a reset is news for the caller; who was only slow is resumed by the next connection."""
        if reset["data"]["reason"] == "slow":
            self.last_seq = reset["seq"]
            raise _Again
        self._heard.clear()
        self.last_seq = reset["seq"]
        return True


class _Again(Exception):
    """Connect anew and go on after the last number."""


def _refuse(frame: Frame) -> None:
    code = frame["code"]
    if code == "server_stopping":
        raise _Again
    kind = NotAuthenticated if code in ("credential_ended", "not_authenticated") else NotAllowed
    raise kind(frame["error"], code=code)


def listening(
    channels: tuple[str, ...], filters: Mapping[str, Any] | str | None, sample: float | None, last_seq: int | None
) -> Listening:
    """What to listen to; `filters` are those of `interactions.list`, or their query string."""
    if filters is not None and not isinstance(filters, str):
        filters = urlencode(query(**filters))
    return Listening(channels or ("interactions",), filters or None, sample, last_seq)


def follow(transport: SyncTransport, asked: Listening) -> Iterator[Frame]:
    """Yield frames for ever. Raises the `ProvenanceError` after which no further try helps."""
    while True:
        error = None
        asked.begin()
        try:
            with transport.answering(asked.request(), silence=SILENCE) as response:
                for line in response.iter_lines():
                    frame = asked.take(line)
                    if frame is not None:
                        yield frame
        except _Again:
            pass
        except ProvenanceError as found:
            error = found
        time.sleep(asked.wait(error))


async def follow_async(transport: AsyncTransport, asked: Listening) -> AsyncIterator[Frame]:
    """`follow`, awaited."""
    while True:
        error = None
        asked.begin()
        try:
            async with transport.answering(asked.request(), silence=SILENCE) as response:
                async for line in response.aiter_lines():
                    frame = asked.take(line)
                    if frame is not None:
                        yield frame
        except _Again:
            pass
        except ProvenanceError as found:
            error = found
        await asyncio.sleep(asked.wait(error))
