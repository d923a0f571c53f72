"""Carries the requests of Stripe's library through the egress guard."""

import asyncio
from collections.abc import Mapping
from typing import Any, NoReturn

from stripe import APIConnectionError, HTTPClient

from provenance.core.addresses import EgressError
from provenance.core.egress import Egress


class _Guarded(HTTPClient):
    """The library's requests, as the platform sends them. It has no way to send one that blocks."""

    name = "provenance"

    def __init__(self, egress: Egress, seconds: float) -> None:
        super().__init__()
        self._egress = egress
        self._seconds = seconds

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Send one request and return body, status and headers. Raises APIConnectionError."""
        body = post_data.encode() if isinstance(post_data, str) else post_data
        try:
            reply = await self._egress.request(method.upper(), url, headers=headers, body=body, seconds=self._seconds)
        except EgressError as error:
            away: Any = APIConnectionError
            raise away(str(error), should_retry=False) from None
        return reply.body, reply.status, reply.headers

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> NoReturn:
        """Refuse: this transport never blocks."""
        raise AssertionError("requests that block are never sent")

    async def sleep_async(self, secs: float) -> None:
        """Wait before a request is sent again."""
        await asyncio.sleep(secs)

    def close(self) -> None:
        """Nothing is held: the guard belongs to the process."""

    async def close_async(self) -> None:
        """Nothing is held: the guard belongs to the process."""


def guarded(egress: Egress, seconds: float) -> HTTPClient:
    """Return the transport of the library's client; a request takes at most so many seconds."""
    return _Guarded(egress, seconds)
