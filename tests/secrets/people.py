"""People who are signed in, without the price of a password; and how long ago that was."""

from sqlalchemy import text

from provenance.core import ids
from provenance.core.actor import Role
from provenance.identity import queries as people_queries
from provenance.identity import service as people
from provenance.identity.running import Identity
from provenance.identity.sessions import service as sessions
from provenance.identity.sessions.schemas import Method, Mode, Proof
from tests.conftest import Running, Tenant
from tests.identity.conftest import new_email


async def signed_in(app: Running, home: Tenant, role: Role, *, minutes_ago: int = 0) -> dict[str, str]:
    """Return the headers of somebody of a role who signed in so long ago."""
    identity: Identity = app.door.framework.state.identity
    workspace_id = ids.decode("ws", home.id)
    assert workspace_id is not None
    async with app.ledger.db.housekeeping(workspace_id) as tx:
        person_id = await people.add_person(tx, identity.keys, email=new_email(), password_hash=None)
        await people_queries.insert_member(tx, person_id, role.name.lower())
        found = await people.person_by_id(tx, identity.keys, person_id)
    assert found is not None
    started = await sessions.start(identity, Proof(found, (Method.PASSKEY,), workspace_id), Mode.TOKEN)
    if minutes_ago:
        async with app.ledger.db.housekeeping() as tx:
            age = text("UPDATE sessions SET signed_in_at = signed_in_at - :ns WHERE person_id = :person")
            await tx.execute(age, {"ns": minutes_ago * 60 * 10**9, "person": person_id})
    return {"authorization": f"Bearer {started.access_token}"}
