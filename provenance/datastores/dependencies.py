"""What the routes of datastores are handed besides the actor and the transaction."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Header, Request
from starlette.requests import ClientDisconnect

from provenance.core.door import ClientGone
from provenance.datastores.running import Running
from provenance.datastores.uploads.taking import Sent


async def running_of(request: Request) -> Running:
    """Return the running application's datastores."""
    found: Running = request.app.state.datastores
    return found


async def base_url_of(request: Request) -> str:
    """Return the address under which the server is reached: PUBLIC_URL, or the request's own scheme and host."""
    public: str | None = request.app.state.settings.public_url
    return (public or f"{request.url.scheme}://{request.url.netloc}").rstrip("/")


async def sent(
    request: Request,
    content_range: Annotated[
        str | None, Header(max_length=100, description="bytes FIRST-LAST/SIZE, of a part.")
    ] = None,
    content_length: Annotated[int | None, Header(ge=0, include_in_schema=False)] = None,
) -> Sent:
    """Return the body of a request as it comes in."""
    return Sent(_content(request), content_length, content_range)


async def _content(request: Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect:
        raise ClientGone from None


RunningDatastores = Annotated[Running, Depends(running_of)]
BaseUrl = Annotated[str, Depends(base_url_of)]
