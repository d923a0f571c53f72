"""A limit of the bus: what would go beyond it is refused whole, by every way in, and nothing of it is stored."""

import json
import re
from typing import Any

import httpx
import pytest

from provenance.core.actor import Role
from tests.billing.conftest import LIMITS
from tests.bus.test_inbound import inbound, ours
from tests.bus.test_inbound import post as posted
from tests.conftest import Running, make_tenant_of
from tests.identity.people import As, as_person

MOST = LIMITS["self_hosted"]["busMessages"]
ONE = {"topic": "orders/created", "payload": 1}
EVENT = {"specversion": "1.0", "type": "orders.created", "source": "/shop", "id": "1", "data": 1}
DETAIL = (
    r"The workspace's plan allows 3 messages of the bus in a calendar month; {} are left\. "
    r"Wait until \d{{4}}-\d\d-01T00:00:00\.000Z, when the next month begins, or have the limit busMessages raised in "
    r"PROVENANCE_PLAN_LIMITS\. An administrator sees the limits at /billing/summary\."
)


def refused(answer: httpx.Response, left: int = 0) -> None:
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (409, 409, "plan_limit_reached"), body
    assert re.fullmatch(DETAIL.format(left), body["detail"]), body["detail"]


async def send(person: As, *messages: dict[str, Any]) -> httpx.Response:
    if len(messages) == 1:
        return await person.post("/bus/messages", json=messages[0])
    return await person.post("/bus/messages/batch", json={"messages": list(messages)})


async def fill(person: As) -> None:
    assert (await send(person, *[ONE] * MOST)).status_code == 201


async def stored(person: As) -> int:
    return len((await person.get("/bus/messages")).json()["items"])


class TestPublishing:
    async def test_up_to_the_limit_and_not_beyond(self, payer: As) -> None:
        assert (await send(payer, ONE)).status_code == 201
        refused(await send(payer, *[ONE] * MOST), left=2)
        assert await stored(payer) == 1
        for _ in range(MOST - 1):  # on the express: it is known how much is left
            assert (await send(payer, ONE)).status_code == 201
        refused(await send(payer, ONE))
        refused(await send(payer, ONE, ONE))
        assert await stored(payer) == MOST
        summary = (await payer.get("/billing/summary")).json()
        assert (summary["usage"]["busMessages"], summary["limits"]["busMessages"]) == (MOST, MOST)
        assert "busMessages" not in summary["overage"]

    async def test_what_was_published_before_the_process_began_counts(self, paid: Running, app: Running) -> None:
        workspace = await make_tenant_of(app.ledger)
        async with await as_person(app, workspace, Role.ADMIN) as elsewhere:
            assert (await send(elsewhere, *[ONE] * (MOST + 2))).status_code == 201
        async with await as_person(paid, workspace, Role.ADMIN) as here:
            refused(await send(here, ONE))
            assert (await here.get("/billing/summary")).json()["overage"] == {"busMessages": 2}

    async def test_another_workspace_has_its_own(self, payer: As, paid: Running) -> None:
        await fill(payer)
        async with await as_person(paid, await make_tenant_of(paid.ledger), Role.ADMIN) as other:
            assert (await send(other, ONE)).status_code == 201

    async def test_cloudevents_and_repeats(self, payer: As) -> None:
        first = await payer.post("/bus/messages", json=ONE, headers={"idempotency-key": "first"})
        assert (await send(payer, *[ONE] * (MOST - 1))).status_code == 201
        again = await payer.post("/bus/messages", json=ONE, headers={"idempotency-key": "first"})
        assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
        for kind, body in (("cloudevents", EVENT), ("cloudevents-batch", [EVENT])):
            headers = {"content-type": f"application/{kind}+json"}
            path = "/bus/messages" if kind == "cloudevents" else "/bus/messages/batch"
            refused(await payer.post(path, content=json.dumps(body), headers=headers))
        refused(await payer.post("/bus/messages", json=ONE, headers={"idempotency-key": "again"}))
        assert await stored(payer) == MOST

    async def test_bus_keys(self, payer: As, paid: Running) -> None:
        await fill(payer)
        body = {"name": "k", "topics": ["#"], "actions": ["publish"]}
        key = (await payer.post("/bus/api-keys", json=body)).json()["key"]
        async with httpx.AsyncClient(base_url=paid.url, headers={"x-api-key": key}) as machine:
            for _ in range(2):
                refused(await machine.post("/bus/messages", json=ONE))


class TestInbound:
    @pytest.mark.parametrize("named", [True, False])
    async def test_what_outside_systems_post(self, payer: As, paid: Running, named: bool) -> None:
        made = await inbound(payer)

        async def post(number: int) -> httpx.Response:
            body = b"%d" % number
            delivery = {"X-ProvenanceOne-Delivery": f"d-{number}"} if named else {}
            return await posted(paid, made, {**ours(made["signingSecret"], body), **delivery}, body)

        for number in range(MOST):
            assert (await post(number)).status_code == 201
        refused(await post(MOST))
        if named:
            assert (await post(0)).status_code == 201, "a repeat is no new message"
        assert await stored(payer) == MOST
