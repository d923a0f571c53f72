"""Connections as notifications use them: the way to a channel of Slack (`provenance.notifications.slack.Way`)."""

import uuid

from provenance.connections import service
from provenance.connections.errors import ConnectionNotFound
from provenance.connections.running import Connections, Request
from provenance.core.actor import Actor, Kind
from provenance.core.db import ReadTx
from provenance.core.egress import Reply
from provenance.secrets.schemas import Purpose

_HEADERS = {"content-type": "application/json; charset=utf-8"}
_PURPOSE = Purpose("notification", "slack")


class ConnectionsWay:
    """Goes through the connections of one process, as the platform itself."""

    def __init__(self, connections: Connections) -> None:
        """Take the connections."""
        self._connections = connections

    async def integration_of(self, tx: ReadTx, connection_id: str) -> str | None:
        """Return what a connection of the workspace leads to; None when there is no such connection."""
        try:
            return (await service.found(tx, connection_id)).integration
        except ConnectionNotFound:
            return None

    async def post(self, workspace_id: uuid.UUID, connection_id: str, path: str, body: bytes) -> Reply:
        """Post JSON; return the answer, whatever its status. Raises EgressError and the problems of connections."""
        request = Request("POST", path, _HEADERS, body)
        return await self._connections.call(_platform(workspace_id), connection_id, request, _PURPOSE)

    async def doubt(self, workspace_id: uuid.UUID, connection_id: str) -> None:
        """Try the connection: one whose credential is not taken any more shows an error from then on."""
        await self._connections.test(_platform(workspace_id), connection_id)


def _platform(workspace_id: uuid.UUID) -> Actor:
    return Actor(Kind.SYSTEM, "system", workspace_id)
