"""A key is used once: repeats answer the first row, other content is refused, and no race makes a second row."""

import asyncio
import random
from collections import Counter
from typing import Any

import httpx
import pytest

from provenance.core.ids import new_uuid_text
from tests.conftest import MakeTenant, Running, Tenant
from tests.ledger.test_interactions import SMALL


async def send(
    client: httpx.AsyncClient, key: str | None = None, span: str | None = None, **more: Any
) -> tuple[int, dict[str, Any]]:
    headers = {"Idempotency-Key": key, "x-span-id": span}
    answer = await client.post(
        "/api/interactions",
        json={**SMALL, **more},
        headers={name: value for name, value in headers.items() if value is not None},
    )
    return answer.status_code, answer.json()


class TestSameContent:
    async def test_the_first_row_comes_back(self, client: httpx.AsyncClient) -> None:
        status, first = await send(client, "k", interaction={"a": 1})
        again, row = await send(client, "k", interaction={"a": 1})
        assert (status, again) == (201, 200)
        assert row == first

    async def test_the_order_of_members_and_the_spelling_of_words_do_not_matter(
        self, client: httpx.AsyncClient
    ) -> None:
        _, first = await send(client, "k", interaction={"a": 1, "b": [1.0]})
        status, row = await send(client, "k", interaction={"b": [1], "a": 1}, action="create")
        assert (status, row["interactionId"]) == (200, first["interactionId"])
        body = {"resourceId": "r-1", "resourceTypeId": first["resourceTypeId"], "actionId": first["actionId"]}
        by_id = {**body, "originId": first["originId"].upper(), "interaction": {"a": 1, "b": [1]}}
        answer = await client.post("/api/interactions", json=by_id, headers={"Idempotency-Key": "k"})
        assert (answer.status_code, answer.json()["interactionId"]) == (200, first["interactionId"])

    async def test_what_the_server_made_does_not_matter(self, client: httpx.AsyncClient) -> None:
        """No unit of work, no time and another user agent are the server's own; the repeat has others."""
        _, first = await send(client, "k")
        answer = await client.post(
            "/api/interactions", json=SMALL, headers={"Idempotency-Key": "k", "user-agent": "another/2"}
        )
        assert (answer.status_code, answer.json()) == (200, first)

    async def test_a_header_and_a_member_say_the_same(self, client: httpx.AsyncClient) -> None:
        uow = new_uuid_text()
        answer = await client.post("/api/interactions", json=SMALL, headers={"Idempotency-Key": "k", "x-uowid": uow})
        status, row = await send(client, None, idempotencyKey="k", uowId=uow.upper())
        assert (status, row) == (200, answer.json())

    async def test_a_span_is_a_key(self, client: httpx.AsyncClient) -> None:
        span = new_uuid_text()
        _, first = await send(client, span=span)
        status, row = await send(client, span=span.upper())
        assert (status, row["interactionNumber"]) == (200, first["interactionNumber"])
        status, row = await send(client, spanId=span)
        assert (status, row["interactionNumber"]) == (200, first["interactionNumber"])

    async def test_the_key_wins_over_the_span(self, client: httpx.AsyncClient) -> None:
        span = new_uuid_text()
        await send(client, span=span)
        status, row = await send(client, "k", span)
        assert (status, row["interactionNumber"]) == (201, 2)
        status, row = await send(client, "k2", span)
        assert (status, row["interactionNumber"]) == (201, 3)

    async def test_a_span_and_a_key_of_the_same_text_are_two(self, client: httpx.AsyncClient) -> None:
        span = new_uuid_text()
        assert (await send(client, span=span))[0] == 201
        assert (await send(client, span))[0] == 201

    async def test_without_a_key_everything_is_new(self, client: httpx.AsyncClient) -> None:
        assert [(await send(client))[0] for _ in range(3)] == [201] * 3

    async def test_another_workspace_has_its_own_keys(self, client: httpx.AsyncClient, make_tenant: MakeTenant) -> None:
        await send(client, "k")
        other = await make_tenant()
        answer = await client.post(
            "/api/interactions", json=SMALL, headers={"x-api-key": other.key, "Idempotency-Key": "k"}
        )
        assert (answer.status_code, answer.json()["interactionNumber"]) == (201, 1)

    async def test_a_repeat_takes_no_number(self, client: httpx.AsyncClient) -> None:
        await send(client, "k")
        for _ in range(3):
            await send(client, "k")
            await send(client, "k", resourceId="other")
        assert (await send(client))[1]["interactionNumber"] == 2


FULL: dict[str, Any] = {
    "interaction": {"a": 1},
    "externalReference": "e",
    "externalResponse": 1,
    "userId": "u",
    "sequenceIndex": 1,
    "outcome": "success",
    "onBehalfOf": ["a"],
    "relatedResources": [{"resourceType": "A", "resourceId": "b"}],
    "changes": [{"op": "remove", "path": "/a"}],
    "uowId": "0a1b2c3d-0000-4000-8000-00000000000a",
    "parentSpanId": "0a1b2c3d-0000-4000-8000-00000000000b",
    "timestamp": "2026-01-31T12:00:00.000000001Z",
}
OTHER: dict[str, Any] = {
    "interaction": {"a": 2},
    "externalReference": "f",
    "externalResponse": 2,
    "userId": "v",
    "sequenceIndex": 2,
    "outcome": "failure",
    "onBehalfOf": ["b"],
    "relatedResources": [{"resourceType": "A", "resourceId": "c"}],
    "changes": [{"op": "remove", "path": "/b"}],
    "uowId": "0a1b2c3d-0000-4000-8000-00000000001a",
    "parentSpanId": "0a1b2c3d-0000-4000-8000-00000000001b",
    "timestamp": "2026-01-31T12:00:00.000000002Z",
    "resourceId": "r-2",
    "resourceType": "ORDER",
    "action": "UPDATE",
    "origin": "CLI",
}


class TestOtherContent:
    @pytest.mark.parametrize("field", sorted(OTHER))
    async def test_the_field_that_differs_is_named(self, client: httpx.AsyncClient, field: str) -> None:
        await send(client, "k", **FULL)
        status, body = await send(client, "k", **{**FULL, field: OTHER[field]})
        assert (status, body["code"]) == (409, "idempotency_conflict")
        assert [detail["path"] for detail in body["details"]] == [field]

    @pytest.mark.parametrize("field", sorted(FULL))
    async def test_a_field_left_out_differs(self, client: httpx.AsyncClient, field: str) -> None:
        await send(client, "k", **FULL)
        status, body = await send(client, "k", **{name: value for name, value in FULL.items() if name != field})
        assert (status, body["code"]) == (409, "idempotency_conflict")
        # A default that is left out may have been left out the first time, as far as the row tells: both are named.
        defaults = ["uowId", "timestamp"]
        named = [detail["path"] for detail in body["details"]]
        assert named == (defaults if field in defaults else [field])

    async def test_several_are_named(self, client: httpx.AsyncClient) -> None:
        await send(client, "k", **FULL)
        _, body = await send(client, "k", **{**FULL, **OTHER})
        assert {detail["path"] for detail in body["details"]} == set(OTHER)

    async def test_a_span_under_a_key_differs(self, client: httpx.AsyncClient) -> None:
        await send(client, "k", new_uuid_text())
        status, body = await send(client, "k", new_uuid_text())
        assert (status, [detail["path"] for detail in body["details"]]) == (409, ["spanId"])

    async def test_a_refused_repeat_leaves_no_word(self, client: httpx.AsyncClient) -> None:
        await send(client, "k")
        status, _ = await send(client, "k", resourceType="NEVER_MADE")
        assert status == 409
        names = [word["mnemonic"] for word in (await client.get("/api/resource-types")).json()]
        assert names == ["USER"]


class TestRaces:
    async def test_16_clients_on_few_keys_over_two_servers(
        self, client: httpx.AsyncClient, app: Running, second: Running, workspace: Tenant
    ) -> None:
        """Every key ends with one row, every answer names it, and the numbers have no gap."""
        keys = [f"key-{n}" for n in range(12)]
        answers: dict[str, list[tuple[int, str, int]]] = {key: [] for key in keys}

        async def one(seed: int) -> None:
            pick = random.Random(seed)
            base = (app, second)[seed % 2].url
            async with httpx.AsyncClient(base_url=base, headers={"x-api-key": workspace.key}, timeout=30) as own:
                for key in pick.sample(keys, len(keys)):
                    status, row = await send(own, key, interaction={"of": key})
                    answers[key].append((status, row.get("interactionId", ""), row.get("interactionNumber", 0)))

        await asyncio.gather(*[one(seed) for seed in range(16)])
        for key, found in answers.items():
            assert Counter(status for status, _, _ in found) == {201: 1, 200: 15}, key
            assert len({(row_id, number) for _, row_id, number in found}) == 1, key
        assert sorted(found[0][2] for found in answers.values()) == list(range(1, 13))

    async def test_racing_contents_have_one_winner(
        self, client: httpx.AsyncClient, app: Running, second: Running
    ) -> None:
        async def one(number: int) -> int:
            base = (app, second)[number % 2].url
            answer = await client.post(
                base + "/api/interactions",
                json={**SMALL, "resourceId": f"r-{number}"},
                headers={"Idempotency-Key": "one"},
            )
            return answer.status_code

        assert Counter(await asyncio.gather(*[one(number) for number in range(16)])) == {201: 1, 409: 15}

    async def test_two_servers_make_a_new_word_once(
        self, client: httpx.AsyncClient, app: Running, second: Running
    ) -> None:
        async def one(number: int) -> dict[str, Any]:
            base = (app, second)[number % 2].url
            words = {"resourceType": "Racy" if number % 3 else "RACY", "action": f"A{number % 4}", "origin": "R"}
            answer = await client.post(base + "/api/interactions", json={"resourceId": f"r-{number}", **words})
            assert answer.status_code == 201, answer.text
            row: dict[str, Any] = answer.json()
            return row

        rows = await asyncio.gather(*[one(number) for number in range(16)])
        assert len({row["resourceTypeId"] for row in rows}) == 1
        assert sorted(row["interactionNumber"] for row in rows) == list(range(1, 17))
        assert len((await client.get("/api/actions")).json()) == 4
