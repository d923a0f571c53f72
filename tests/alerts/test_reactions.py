"""What follows from a firing: people are told by the notification rules, and a workflow may begin."""

import asyncio

import httpx
import pytest

from provenance.core.actor import Role
from provenance.ledger.feed import queries, registered
from provenance.ledger.feed.handing import hand
from tests.alerts.conftest import Place
from tests.conftest import Running, Tenant
from tests.identity.people import as_person
from tests.runs.event_triggers.conftest import Hear, hear, listening

__all__ = ["hear", "listening"]

ONE = {"kind": "count", "atLeast": 1, "withinSeconds": 60}
NOTE = "provenance.notifications.tasks.note.alert.firing"
SETTINGS = {
    "channels": {"email": {"enabled": True, "recipients": ["ops@example.com"]}},
    "rules": [{"event": "alert.firing", "minRisk": "high", "channels": ["email"]}],
}


async def test_people_are_told_by_severity(place: Place, app: Running, workspace: Tenant) -> None:
    async with await as_person(app, workspace, Role.ADMIN) as admin:
        assert (await admin.put("/workspace/notifications", json=SETTINGS)).status_code == 200
    alert = await place.add(window=ONE, severity="critical")
    await place.add(window=ONE, severity="low")
    await place.post()
    await place.hear()
    (handler,) = [each for each in registered if each.name == NOTE]
    async with place.ledger.db.housekeeping(place.workspace_id) as tx:
        await queries.begin(tx, [NOTE])
    while (await hand(place.ledger.db, place.ledger.catalogues, handler, place.workspace_id)).rows:
        pass
    async with place.ledger.db.housekeeping(place.workspace_id) as tx:
        query = "SELECT number FROM notification_deliveries WHERE workspace_id = $1"
        noted = {row[0] for row in await tx.driver_sql(query, (place.workspace_id,))}
        await tx.driver_sql("DELETE FROM notification_deliveries WHERE workspace_id = $1", (place.workspace_id,))
    assert noted == {row["interactionNumber"] for row in await place.told(alert)}


@pytest.mark.usefixtures("listening")
async def test_a_workflow_begins(place: Place, client: httpx.AsyncClient, hear: Hear) -> None:
    workflow = await hear("ledger/ALERT/FIRING")
    await place.add(window=ONE, name="Logins", where={"resourceType": "ACCOUNT"})
    await place.post()
    await place.hear()
    async with asyncio.timeout(60):
        while not (found := (await client.get(f"/runs?workflowId={workflow}")).json()["items"]):
            await asyncio.sleep(0.05)
    run = (await client.get(f"/runs/{found[0]['runId']}")).json()
    assert (len(found), run["input"]["name"], run["input"]["count"]) == (1, "Logins", 1)
