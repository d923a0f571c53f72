"""A limit of what is stored: of all datastores together, by uploads and by steps of runs."""

import asyncio
import re

import httpx
import pytest

from provenance.core.actor import Actor, Kind, Role
from provenance.core.ids import decode, new_uuid
from provenance.datastores import storing
from provenance.datastores.objects.schemas import ByRun
from provenance.datastores.running import Running as Datastores
from provenance.datastores.storing import Content
from provenance.workspace.errors import PlanLimitReached
from tests.billing.conftest import LIMITS
from tests.conftest import Running, make_tenant_of
from tests.identity.people import As, as_person

MOST = LIMITS["self_hosted"]["storageBytes"]
DETAIL = (
    r"The workspace's plan allows 100 bytes of stored objects; {} are left\. Remove some, or have the limit "
    r"storageBytes raised in PROVENANCE_PLAN_LIMITS\. An administrator sees the limits at /billing/summary\."
)


def refused(answer: httpx.Response, left: int) -> None:
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (409, 409, "plan_limit_reached"), body
    assert re.fullmatch(DETAIL.format(left), body["detail"]), body["detail"]


async def datastore(person: As, name: str = "one") -> str:
    answer = await person.post("/datastores", json={"name": name})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["datastoreId"])


async def ask(person: As, into: str, key: str, size: int) -> httpx.Response:
    asked = {"key": key, "contentType": "text/plain", "sizeBytes": size}
    return await person.post(f"/datastores/{into}/upload-url", json=asked)


async def send(asked: httpx.Response, size: int) -> httpx.Response:
    assert asked.status_code == 200, asked.text
    found = asked.json()
    async with httpx.AsyncClient(timeout=30) as stranger:
        return await stranger.put(found["uploadUrl"], content=b"x" * size, headers=found["headers"])


async def put(person: As, into: str, key: str, size: int) -> None:
    answer = await send(await ask(person, into, key, size), size)
    assert answer.status_code == 200, answer.text


async def stored(person: As) -> int:
    return int((await person.get("/billing/summary")).json()["usage"]["storageBytes"])


class TestUploads:
    async def test_up_to_the_limit_in_all_datastores_together(self, payer: As) -> None:
        one, two = await datastore(payer), await datastore(payer, "two")
        await put(payer, one, "a", 60)
        refused(await ask(payer, two, "b", 41), left=40)
        await put(payer, two, "b", 40)
        refused(await ask(payer, one, "c", 1), left=0)
        assert await stored(payer) == MOST
        assert (await payer.get("/billing/summary")).json()["overage"] == {}

    async def test_an_object_in_the_place_of_another_counts_by_what_it_is_more(self, payer: As) -> None:
        into = await datastore(payer)
        await put(payer, into, "a", 100)
        refused(await ask(payer, into, "a", 101), left=0)
        await put(payer, into, "a", 100)
        await put(payer, into, "a", 90)
        await put(payer, into, "b", 10)
        assert (await payer.delete(f"/datastores/{into}/objects/b")).status_code == 200
        await put(payer, into, "c", 10)

    async def test_two_that_only_fit_alone(self, payer: As) -> None:
        places = [await datastore(payer, name) for name in ("one", "two", "three")]
        asked = [await ask(payer, each, "a", 60) for each in places]
        answers = await asyncio.gather(*[send(each, 60) for each in asked])
        assert sorted(each.status_code for each in answers) == [200, 409, 409]
        refused(next(each for each in answers if each.status_code == 409), left=40)
        assert await stored(payer) == 60

    async def test_what_is_over_the_limit_may_shrink(self, payer: As, app: Running) -> None:
        into = await datastore(payer)
        async with await as_person(app, payer.workspace, Role.ADMIN) as without_limits:
            await put(without_limits, into, "a", 300)
        assert (await payer.get("/billing/summary")).json()["overage"] == {"storageBytes": 200}
        await put(payer, into, "a", 200)
        refused(await ask(payer, into, "b", 1), left=0)

    async def test_another_workspace_has_its_own(self, payer: As, paid: Running) -> None:
        await put(payer, await datastore(payer), "a", 100)
        async with await as_person(paid, await make_tenant_of(paid.ledger), Role.ADMIN) as other:
            await put(other, await datastore(other), "a", 100)


class TestSteps:
    async def test_a_step_that_stores_is_refused_and_leaves_nothing(self, payer: As, paid: Running) -> None:
        running: Datastores = paid.door.framework.state.datastores
        into, workspace_id = await datastore(payer), decode("ws", payer.workspace.id)
        assert workspace_id is not None
        actor, by = Actor(Kind.SYSTEM, "system", workspace_id), ByRun(new_uuid(), str(new_uuid()))
        await storing.write(running, actor, into, Content("a", b"x" * 100, "text/plain"), by)
        with pytest.raises(PlanLimitReached, match="; 0 are left"):
            await storing.write(running, actor, into, Content("b", b"x", "text/plain"), by)
        assert await stored(payer) == MOST
        again = await storing.write(running, actor, into, Content("a", b"x" * 100, "text/plain"), by)
        assert again.key == "a", "a second attempt of a step finds what the first one stored"
