"""The two ways to run a `Request`: blocking and awaited.

Both spell the call and read the answer with the same functions.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar, cast

import httpx

from provenance_client.api.request import Request
from provenance_client.errors import InvalidRequest, ServerError, Unreachable, error_for
from provenance_client.settings import ClientSettings

T = TypeVar("T")
DEFAULT_TIMEOUT = 30.0


class SyncTransport:
    """Runs requests on an `httpx.Client`; safe to share between threads."""

    def __init__(self, settings: ClientSettings, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        self.settings = settings
        self._http = httpx.Client(**_options(settings, timeout))

    def run(self, request: Request[T]) -> T:
        """Send and read. Raises a `ProvenanceError` for every answer outside 2xx, and for no answer."""
        return cast(T, read_answer(self._send(request)))

    def exchange(self, request: Request[Any]) -> bytes:
        """Send, and give a 2xx answer's body unread. Raises as `run` does."""
        return successful(self._send(request)).content

    @contextmanager
    def answering(self, request: Request[Any], *, silence: float | None = None) -> Iterator[httpx.Response]:
        """Send, and give a 2xx answer whose headers are there and whose body is still to come.

        `silence` is how many seconds may pass without a byte, if not the usual. Raises as `run` does.
        """
        spelt = _spell(self.settings, request)
        if silence is not None:
            spelt["timeout"] = httpx.Timeout(self._http.timeout.connect, read=silence)
        try:
            with self._http.stream(**spelt) as response:
                if not response.is_success:
                    response.read()
                yield successful(response)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _no_answer(self.settings, error) from error

    def _send(self, request: Request[Any]) -> httpx.Response:
        try:
            return self._http.request(**_spell(self.settings, request))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _no_answer(self.settings, error) from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


class AsyncTransport:
    """Runs requests on an `httpx.AsyncClient`; belongs to the event loop that uses it first."""

    def __init__(self, settings: ClientSettings, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        self.settings = settings
        self._http = httpx.AsyncClient(**_options(settings, timeout))

    async def run(self, request: Request[T]) -> T:
        """Send and read.

        Raises a `ProvenanceError` subclass for every answer outside 2xx and for no answer.
        """
        try:
            response = await self._http.request(**_spell(self.settings, request))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _no_answer(self.settings, error) from error
        return cast(T, read_answer(response))

    @asynccontextmanager
    async def answering(self, request: Request[Any], *, silence: float | None = None) -> AsyncIterator[httpx.Response]:
        """`SyncTransport.answering`, awaited."""
        spelt = _spell(self.settings, request)
        if silence is not None:
            spelt["timeout"] = httpx.Timeout(self._http.timeout.connect, read=silence)
        try:
            async with self._http.stream(**spelt) as response:
                if not response.is_success:
                    await response.aread()
                yield successful(response)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _no_answer(self.settings, error) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def _options(settings: ClientSettings, timeout: float) -> dict[str, Any]:
    # Loading the certificate store takes tens of milliseconds, for nothing when no connection will use it; a proxy
    # of the environment is no way to this very machine.
    plain = settings.api_url.startswith("http://")
    return {"timeout": timeout, "verify": not (plain and settings.is_local), "trust_env": not settings.is_local}


def _spell(settings: ClientSettings, request: Request[Any]) -> dict[str, Any]:
    base = settings.host_url if request.at_root else settings.api_url
    headers = {"accept": "application/json", **request.headers}
    if settings.token:
        headers.setdefault("authorization", f"Bearer {settings.token}")
    elif settings.api_key:
        headers.setdefault("x-api-key", settings.api_key)
    return {
        "method": request.method,
        "url": base + request.path,
        "params": list(request.params) or None,
        "headers": {name: _header_value(name, value) for name, value in headers.items()},
        "content": request.content,
    }


def _header_value(name: str, value: str) -> bytes:
    # A line break would start another header; httpx encodes text beyond ASCII only when it is given bytes.
    if any(character in value for character in "\r\n\0"):
        raise InvalidRequest(f"{name}: a header holds no line break", details=[{"path": name, "issue": "line break"}])
    return value.encode()


def _no_answer(settings: ClientSettings, error: Exception) -> Unreachable:
    reason = str(error) or type(error).__name__
    return Unreachable(f"no answer from {settings.api_url}: {reason}")


def read_answer(response: httpx.Response) -> Any:
    """The JSON of a 2xx answer (None without a body). Raises the error class of its status otherwise."""
    if not successful(response).content:
        return None
    try:
        return json.loads(response.content)
    except ValueError as error:
        raise ServerError(
            f"{response.url} answered something else than JSON",
            code="unexpected_answer",
            status=response.status_code,
        ) from error


def successful(response: httpx.Response) -> httpx.Response:
    """The response itself when it is 2xx. Raises the error class of its status otherwise."""
    if not response.is_success:
        raise _refusal(response)
    return response


def _refusal(response: httpx.Response) -> Exception:
    try:
        problem = json.loads(response.content)
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    detail = problem.get("detail") or problem.get("error") or problem.get("title") or response.reason_phrase
    details = problem.get("details")
    return error_for(response.status_code)(
        str(detail),
        code=problem.get("code"),
        status=response.status_code,
        details=[item for item in details if isinstance(item, dict)] if isinstance(details, list) else (),
        request_id=problem.get("requestId") or response.headers.get("x-request-id"),
        retry_after=retry_after(response.headers.get("retry-after")),
    )


def retry_after(value: str | None) -> float | None:
    """Seconds to wait from a `Retry-After` header (seconds or an HTTP date); None when it says nothing."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
