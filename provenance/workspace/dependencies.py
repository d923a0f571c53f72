"""What the routes of workspaces are handed besides the actor and the transaction."""

from typing import Annotated

from fastapi import Depends, Request

from provenance.core.settings import Settings


async def settings_of(request: Request) -> Settings:
    """Return the running application's settings."""
    found: Settings = request.app.state.settings
    return found


RunningSettings = Annotated[Settings, Depends(settings_of)]
