"""What the routes of passkeys are handed: the site that they are bound to."""

from typing import Annotated

from fastapi import Depends, Request

from provenance.identity.passkeys.schemas import Site


async def site_of(request: Request) -> Site:
    """Return the site that the request came to."""
    return Site.of(request.scope["exchange"], request.app.state.settings.public_url)


ThisSite = Annotated[Site, Depends(site_of)]
