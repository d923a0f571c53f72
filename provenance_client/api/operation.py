"""One definition of each method over two transports.

The descriptors that run what a resource's method builds.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from provenance_client.api.answers import Interaction, Page
from provenance_client.api.request import Request
from provenance_client.api.transport import AsyncTransport, SyncTransport

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R", bound="Resource[Any]")
Tr = TypeVar("Tr", bound=SyncTransport | AsyncTransport)


class Resource(Generic[Tr]):
    """The methods around one path of the API, bound to a transport."""

    def __init__(self, transport: Tr) -> None:
        self.transport = transport


class operation(Generic[R, P, T]):  # noqa: N801 - reads as the decorator it is
    """A method that builds one `Request[T]`.

    On a `Client` it returns `T`, on an `AsyncClient` a coroutine of it.
    """

    def __init__(self, build: Callable[Concatenate[R, P], Request[T]]) -> None:
        self.build = build
        functools.update_wrapper(self, build)  # type: ignore[arg-type]

    @overload
    def __get__(self, instance: None, owner: type) -> operation[R, P, T]: ...
    @overload
    def __get__(self, instance: Resource[SyncTransport], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: Resource[AsyncTransport], owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        """Bind the method to the resource it was reached through."""
        if instance is None:
            return self

        @functools.wraps(self.build)
        def run(*args: P.args, **kwargs: P.kwargs) -> Any:
            return instance.transport.run(self.build(instance, *args, **kwargs))

        return run


class paged(Generic[R, P]):  # noqa: N801 - reads as the decorator it is
    """A method that builds the request of a first page.

    It yields every row, following `nextCursor` to the end.
    """

    def __init__(self, build: Callable[Concatenate[R, P], Request[Page[Interaction]]]) -> None:
        self.build = build
        functools.update_wrapper(self, build)  # type: ignore[arg-type]

    @overload
    def __get__(self, instance: None, owner: type) -> paged[R, P]: ...
    @overload
    def __get__(self, instance: Resource[SyncTransport], owner: type) -> Callable[P, Iterator[Interaction]]: ...
    @overload
    def __get__(self, instance: Resource[AsyncTransport], owner: type) -> Callable[P, AsyncIterator[Interaction]]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        """Bind the method to the resource it was reached through."""
        if instance is None:
            return self
        follow = _rows_async if isinstance(instance.transport, AsyncTransport) else _rows

        @functools.wraps(self.build)
        def run(*args: P.args, **kwargs: P.kwargs) -> Any:
            return follow(instance.transport, self.build(instance, *args, **kwargs))

        return run


def _rows(transport: SyncTransport, first: Request[Page[Interaction]]) -> Iterator[Interaction]:
    request: Request[Page[Interaction]] | None = first
    while request:
        page = transport.run(request)
        yield from page["data"]
        request = _next(request, page)


async def _rows_async(transport: AsyncTransport, first: Request[Page[Interaction]]) -> AsyncIterator[Interaction]:
    request: Request[Page[Interaction]] | None = first
    while request:
        page = await transport.run(request)
        for row in page["data"]:
            yield row
        request = _next(request, page)


def _next(request: Request[Page[Interaction]], page: Page[Interaction]) -> Request[Page[Interaction]] | None:
    # A page may be empty and still have a successor: a scan budget ended before anything was found.
    cursor = page["pagination"].get("nextCursor")
    return request.with_param("cursor", cursor) if cursor else None
