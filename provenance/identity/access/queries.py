"""Every statement that a credential's look-up asks."""

import uuid
from typing import Any

from sqlalchemy import select

from provenance.core.db import ReadTx
from provenance.identity.schemas import Status
from provenance.identity.sessions.tables import sessions
from provenance.identity.tables import members, people
from provenance.workspace.tables import workspaces


async def standing(tx: ReadTx, session_id: uuid.UUID, person_id: uuid.UUID, workspace_id: uuid.UUID) -> Any:
    """Return role, groups and time of sign-in of a person in a workspace, while session and membership last.

    ``fresh_login_minutes`` is the workspace's own, None where it has none.
    """
    query = (
        select(members.c.role, members.c.groups, sessions.c.signed_in_at, workspaces.c.fresh_login_minutes)
        .join(sessions, sessions.c.person_id == members.c.person_id)
        .join(people, people.c.id == members.c.person_id)
        .join(workspaces, workspaces.c.id == members.c.workspace_id)
        .where(
            members.c.workspace_id == workspace_id,
            members.c.person_id == person_id,
            members.c.status == Status.ACTIVE.value,
            people.c.erased_at.is_(None),
            sessions.c.id == session_id,
            sessions.c.ended_at.is_(None),
            sessions.c.expires_at > tx.now,
        )
    )
    return (await tx.execute(query)).first()
