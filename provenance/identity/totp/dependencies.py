"""What the routes of one-time codes are handed: a person who signed in lately and may guess once more."""

from typing import Annotated

from fastapi import Depends

from provenance.core.actor import Actor
from provenance.identity.access.dependencies import person
from provenance.identity.running import RunningIdentity
from provenance.identity.totp import service


async def guesser(actor: Annotated[Actor, person(fresh=True)], identity: RunningIdentity) -> Actor:
    """Return the person. Raises TooManyGuesses."""
    assert actor.person is not None, "the rule lets people only pass"
    await service.guess(identity, actor.person)
    return actor


Guesser = Annotated[Actor, Depends(guesser)]
