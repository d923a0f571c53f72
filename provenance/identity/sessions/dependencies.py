"""What the routes of sign-in are handed: where a request comes from."""

from typing import Annotated

from fastapi import Depends, Request

from provenance.identity.sessions.schemas import Caller


async def caller_of(request: Request) -> Caller:
    """Return where the request comes from."""
    return Caller.of(request.scope["exchange"], request.app.state.settings.public_url)


Calling = Annotated[Caller, Depends(caller_of)]
