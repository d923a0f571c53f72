"""Who may destroy content, hold it and say how long it stays: admins signed in as people."""

from typing import Annotated

from provenance.core.actor import Actor, Role, Scope
from provenance.core.routing import require

Admin = Annotated[Actor, require(Scope.INTERACTIONS_WRITE, Role.ADMIN, people_only=True)]
