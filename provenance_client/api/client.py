"""`Client` and `AsyncClient`: the whole API, blocking and awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Generic, Self

from provenance_client.api.answers import Json
from provenance_client.api.approvals import Approvals
from provenance_client.api.catalogue import Actions, Origins, ResourceTypes
from provenance_client.api.events import Frame, follow, follow_async, listening
from provenance_client.api.interactions import Interactions
from provenance_client.api.operation import Resource, Tr, operation
from provenance_client.api.reading import Activity, Analytics, Fields, Queue, Traces
from provenance_client.api.request import JSON, Request, query
from provenance_client.api.transport import DEFAULT_TIMEOUT, AsyncTransport, SyncTransport
from provenance_client.content import encode
from provenance_client.settings import ClientSettings, resolve


class Api(Resource[Tr], Generic[Tr]):
    """The resources by name, over either transport."""

    def __init__(self, transport: Tr) -> None:
        super().__init__(transport)
        self.interactions: Interactions[Tr] = Interactions(transport)
        self.resource_types: ResourceTypes[Tr] = ResourceTypes(transport)
        self.actions: Actions[Tr] = Actions(transport)
        self.origins: Origins[Tr] = Origins(transport)
        self.traces: Traces[Tr] = Traces(transport)
        self.activity: Activity[Tr] = Activity(transport)
        self.fields: Fields[Tr] = Fields(transport)
        self.analytics: Analytics[Tr] = Analytics(transport)
        self.queue: Queue[Tr] = Queue(transport)
        self.approvals: Approvals[Tr] = Approvals(transport)

    @property
    def settings(self) -> ClientSettings:
        """The settings in force after argument, environment and defaults."""
        return self.transport.settings

    @operation
    def health(self) -> Request[Json]:
        """How the server is."""
        return Request("GET", "/health")

    @operation
    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        at_root: bool = False,
    ) -> Request[Any]:
        """Any other route: `path` begins with `/`, below `/api` or below the host's root with `at_root`.

        Answers its JSON.
        """
        content = None if json is None else encode(json)
        sent = {**({} if content is None else JSON), **(headers or {})}
        return Request(method, path, query(**(params or {})), sent, content, at_root)


class Client(Api[SyncTransport]):
    """The API, blocking; safe to share between threads. `with Client() as api: api.traces.get("user-123")`.

    `token` is the access token of a signed-in person, used instead of a key; an empty one stands for nobody.
    """

    def __init__(
        self,
        *,
        api_url: str | None = None,
        api_key: str | None = None,
        origin: str | None = None,
        token: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        settings = resolve(api_url=api_url, api_key=api_key, origin=origin).as_person(token)
        super().__init__(SyncTransport(settings, timeout=timeout))

    def events(
        self,
        *channels: str,
        filters: Mapping[str, Any] | str | None = None,
        sample: float | None = None,
        last_seq: int | None = None,
    ) -> Iterator[Frame]:
        """What happens, as it happens: frames of these channels (`interactions` unless named), for ever.

        `filters` narrow interactions as in `interactions.list`; `last_seq` goes on after a number. A lost
        connection is made again (the first one must succeed) and goes on where it broke: no frame is lost and none
        comes twice. A frame of
        type `reset` says that the ledger is not the one the number came from. Raises NotAuthenticated when the
        credential ended, NotAllowed, InvalidRequest.
        """
        return follow(self.transport, listening(channels, filters, sample, last_seq))

    def close(self) -> None:
        """Close the connections."""
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class AsyncClient(Api[AsyncTransport]):
    """The API, awaited. `async with AsyncClient() as api: await api.traces.get("user-123")`."""

    def __init__(
        self,
        *,
        api_url: str | None = None,
        api_key: str | None = None,
        origin: str | None = None,
        token: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        settings = resolve(api_url=api_url, api_key=api_key, origin=origin).as_person(token)
        super().__init__(AsyncTransport(settings, timeout=timeout))

    def events(
        self,
        *channels: str,
        filters: Mapping[str, Any] | str | None = None,
        sample: float | None = None,
        last_seq: int | None = None,
    ) -> AsyncIterator[Frame]:
        """`Client.events`, awaited: `async for frame in api.events("runs"): …`."""
        return follow_async(self.transport, listening(channels, filters, sample, last_seq))

    async def close(self) -> None:
        """Close the connections."""
        await self.transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()
