"""Who may destroy content, hold it and say how long it stays: admins signed in as people."""

from typing import Annotated

from provenance.core.actor import Actor, Role
from provenance.core.routing import require

Admin = Annotated[Actor, require(None, Role.ADMIN)]
