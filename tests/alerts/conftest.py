"""A workspace whose rules hear and whose time passes when a test says so, by the worker's own functions."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from provenance.alerts import tasks
from provenance.alerts.queries import HANDLER, moment
from provenance.core import ids
from provenance.core.actor import Role
from provenance.core.clock import NANOS
from provenance.core.db import ReadTx
from provenance.ledger.erasure import tasks as erasing
from provenance.ledger.feed import queries as feed
from provenance.ledger.feed import registered
from provenance.ledger.feed.handing import hand
from provenance.ledger.service import Ledger
from tests.conftest import Running, Tenant
from tests.identity.people import as_person

Erase = Callable[..., Awaitable[None]]


class Place:
    """One workspace, as the worker and its clients see it."""

    def __init__(self, ledger: Ledger, client: httpx.AsyncClient, workspace_id: uuid.UUID) -> None:
        self.ledger = ledger
        self.client = client
        self.workspace_id = workspace_id

    async def add(self, **rule: Any) -> str:
        """Set an alert up and return its id."""
        answer = await self.client.post("/api/alerts", json={"name": f"A{uuid.uuid4()}", **rule})
        assert answer.status_code == 201, answer.text
        alert_id: str = answer.json()["alertId"]
        return alert_id

    async def post(self, action: str = "LOGIN", kind: str = "ACCOUNT", **fields: Any) -> dict[str, Any]:
        """Record an interaction."""
        row = {"resourceType": kind, "action": action, "origin": "SHOP", "resourceId": "r-1", **fields}
        uow = {"x-uowid": fields["uowId"]} if "uowId" in fields else {}
        answer = await self.client.post("/api/interactions", json=row, headers=uow)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def hear(self) -> None:
        """Hand everything there is to the rules."""
        (handler,) = [each for each in registered if each.name == HANDLER]
        async with self.ledger.db.housekeeping(self.workspace_id) as tx:
            await feed.begin(tx, [HANDLER])
        while (handed := await hand(self.ledger.db, self.ledger.catalogues, handler, self.workspace_id)).rows:
            assert handed.backoff is None

    async def later(self, seconds: float) -> None:
        """Hear what there is, then see to what is due in so many seconds."""
        await self.hear()

        async def clock(tx: ReadTx) -> int:
            return await moment(tx) + int(seconds * NANOS) + tasks.GRACE

        await tasks.look(self.ledger, clock)

    async def get(self, alert_id: str) -> dict[str, Any]:
        """Return an alert with its groups."""
        answer = await self.client.get(f"/api/alerts/{alert_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def told(self, alert_id: str | None = None) -> list[dict[str, Any]]:
        """Return what is on record about firing and recovery, the oldest first."""
        query = {"resourceType": "ALERT", "action": ["FIRING", "RECOVERED"], "limit": 500, "order": "asc"}
        rows = (await self.client.get("/api/interactions", params=query)).json()["data"]
        return [row for row in rows if alert_id is None or row["resourceId"] == alert_id]


@pytest.fixture
async def place(app: Running, client: httpx.AsyncClient, workspace: Tenant) -> Place:
    """The test's workspace."""
    workspace_id = ids.decode("ws", workspace.id)
    assert workspace_id is not None
    return Place(app.ledger, client, workspace_id)


@pytest.fixture
async def erase(app: Running, workspace: Tenant) -> AsyncIterator[Erase]:
    """Erase what a selector names, as an admin asks for it and the worker does it."""
    async with await as_person(app, workspace, Role.ADMIN) as admin:

        async def done(**body: Any) -> None:
            asked = await admin.post("/api/erasures", json=body)
            assert asked.status_code == 202, asked.text
            await erasing.work(app.ledger, asyncio.Event())
            found = (await admin.get(f"/api/erasures/{asked.json()['erasureId']}")).json()
            assert found["status"] == "finished", found

        yield done
