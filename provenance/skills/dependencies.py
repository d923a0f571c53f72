"""What the routes of skills are handed besides the actor and the transaction."""

from typing import Annotated

from fastapi import Depends, Request

from provenance.skills.calling import Skills


async def skills_of(request: Request) -> Skills:
    """Return the running application's skills."""
    found: Skills = request.app.state.skills
    return found


async def base_url_of(request: Request) -> str:
    """Return the address that clients reach this server at."""
    exchange = request.scope["exchange"]
    here = f"{exchange.scheme}://{exchange.header(b'host') or 'localhost'}"
    return str(request.app.state.settings.public_url or here).rstrip("/")


RunningSkills = Annotated[Skills, Depends(skills_of)]
BaseUrl = Annotated[str, Depends(base_url_of)]
