"""Who may publish and pull: besides keys and people, the bus's own keys (spec/automation.md, 8.5)."""

from typing import Annotated

from fastapi import Depends

from provenance.core.actor import Actor, Role, Scope
from provenance.core.door import Access
from provenance.core.routing import Require

PUBLISH, PULL = "bus.publish", "bus.pull"
"""What a bus key may do, as its actor's scopes say it: no scope of an API key has such a name."""

Publisher = Annotated[Actor, Depends(Require(Access(Scope.BUS_WRITE, Role.EDITOR, also=PUBLISH)))]
Puller = Annotated[Actor, Depends(Require(Access(Scope.BUS_WRITE, Role.EDITOR, also=PULL)))]
