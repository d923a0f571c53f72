"""The verbs of a change of workspace."""

import uuid

from provenance.audit import service as audit
from provenance.core.db import WriteTx
from provenance.core.ids import decode, encode
from provenance.core.settings import Settings
from provenance.identity import queries as people
from provenance.identity.errors import NoMembership
from provenance.identity.members import queries as members
from provenance.identity.running import Identity
from provenance.identity.sessions import service as sessions
from provenance.identity.sessions.schemas import Started, role_word
from provenance.identity.switching.schemas import Switched
from provenance.workspace import service as workspace
from provenance.workspace.schemas import WorkspaceCreate, WorkspaceDetails, WorkspaceEvent


def wanted(workspace_id: str) -> uuid.UUID:
    """Return the workspace that a body names; what names none is one that nobody belongs to."""
    return decode("ws", workspace_id) or uuid.UUID(int=0)


async def switch(tx: WriteTx, identity: Identity) -> Switched:
    """Let the actor's session act in the transaction's workspace from now on. Raises NoMembership."""
    started = await sessions.switch(tx, identity, tx.workspace_id)
    assert tx.actor.person is not None, "only a person has a session"
    await people.stamp_seen(tx, tx.actor.person)
    data = {"session": str(tx.actor.session)}
    audit.record(tx, WorkspaceEvent.SWITCHED, encode("ws", tx.workspace_id), data)
    return _shown(started)


async def create(tx: WriteTx, settings: Settings, asked: WorkspaceCreate) -> WorkspaceDetails:
    """Make a workspace and the actor its administrator; the event stands in the installation's. Raises SlugTaken."""
    actor = tx.actor
    assert actor.person is not None, "the route lets people only pass"
    if not await members.lock_person(tx, actor.person):
        raise NoMembership("This account is no more.")
    made = await workspace.create(tx, slug=asked.slug, name=asked.name, region=asked.default_region, admin=actor.id)
    inside = tx.inside(made.id)
    await people.insert_member(inside, actor.person, "admin")
    return await workspace.details(inside, settings)


def _shown(started: Started) -> Switched:
    return Switched(
        workspace_id=started.membership.wire_id,
        role=role_word(started.membership),
        access_token=started.access_token,
        expires_in=started.seconds,
    )
