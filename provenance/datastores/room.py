"""What the workspace's plan leaves for objects: a limit of what is stored now, in all its datastores together."""

from typing import NamedTuple

from provenance.core.db import ReadTx, WriteTx
from provenance.core.settings import Settings
from provenance.datastores import queries
from provenance.workspace import queries as workspaces
from provenance.workspace import service as workspace_service
from provenance.workspace.errors import PlanLimitReached

LIMIT = "storageBytes"


class Room(NamedTuple):
    """How many bytes the plan allows, None for any number, and how many are stored."""

    most: int | None = None
    stored: int = 0

    def ensure(self, grown: int) -> None:
        """Refuse what would take the workspace over its limit; what makes it smaller never is.

        Raises PlanLimitReached.
        """
        if self.most is not None and grown > 0 and self.stored + grown > self.most:
            raise PlanLimitReached(LIMIT, self.most, self.most - self.stored)


async def room_of(tx: ReadTx, settings: Settings) -> Room:
    """Return the room that the workspace has now. Nothing is asked where no plan has such a limit."""
    if not _is_limited(settings):
        return Room()
    return await _room(tx, settings, await workspace_service.plan_of(tx))


async def locked_room(tx: WriteTx, settings: Settings) -> Room:
    """Return the room that the workspace has, and let nobody else take of it before the transaction ends."""
    if not _is_limited(settings):
        return Room()
    return await _room(tx, settings, (await workspaces.lock(tx)).plan)


def _is_limited(settings: Settings) -> bool:
    return any(LIMIT in limits for limits in settings.plan_limits.values())


async def _room(tx: ReadTx, settings: Settings, plan: str) -> Room:
    most = workspace_service.limits_of(settings, plan).get(LIMIT)
    return Room() if most is None else Room(most, await queries.stored_bytes(tx))
