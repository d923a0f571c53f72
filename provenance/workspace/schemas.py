"""Workspaces as other features know them, and the events they leave."""

import uuid
from dataclasses import dataclass
from enum import StrEnum

from provenance.core.ids import encode


class WorkspaceEvent(StrEnum):
    """What can happen to a workspace."""

    CREATED = "workspace.created"


@dataclass(frozen=True, slots=True)
class Workspace:
    """One workspace: ``id`` inside, ``wire_id`` (``ws_…``) in envelopes and on the wire."""

    id: uuid.UUID
    slug: str
    name: str

    @property
    def wire_id(self) -> str:
        """The id as it reads outside, fixed for ever."""
        return encode("ws", self.id)
