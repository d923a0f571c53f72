"""Batches: all or nothing, or item by item; in order, without gaps, and never half."""

import asyncio
import gzip
import json
from typing import Any

import httpx
import pytest

from provenance.core.ids import new_uuid_text
from tests.conftest import Running
from tests.ledger.test_interactions import SMALL, post

BATCH = "/api/interactions/batch"
PARTIAL = BATCH + "?mode=partial"


def some(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{**SMALL, "resourceId": f"r-{index}", **more} for index in range(count)]


async def send(client: httpx.AsyncClient, items: Any, url: str = BATCH, **headers: str) -> tuple[int, dict[str, Any]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await client.post(url, json=items, headers=named)
    return answer.status_code, answer.json()


async def numbers(client: httpx.AsyncClient) -> int:
    """Return how many rows the workspace has, by taking the next number."""
    return int((await post(client))["interactionNumber"]) - 1


def paths(body: dict[str, Any]) -> list[str]:
    return [detail["path"] for detail in body["details"]]


def statuses(body: dict[str, Any]) -> list[str]:
    assert [item["index"] for item in body["items"]] == list(range(len(body["items"])))
    return [item["status"] for item in body["items"]]


class TestForms:
    @pytest.mark.parametrize("form", ["array", "object", "object with more", "lines", "gzip"])
    async def test_each_form_is_stored(self, client: httpx.AsyncClient, form: str) -> None:
        items, headers = some(3), {"content-type": "application/json"}
        body = json.dumps(items).encode()
        match form:
            case "object":
                body = b' {"items" : ' + body + b" }"
            case "object with more":
                body = b'{"source":"x","items":' + body + b"}"
            case "lines":
                body = b"\r\n".join(json.dumps(item).encode() for item in items) + b"\n\n"
                headers = {"content-type": "application/x-ndjson; charset=utf-8"}
            case "gzip":
                body = gzip.compress(body)
                headers["content-encoding"] = "gzip"
        answer = await client.post(BATCH, content=body, headers=headers)
        assert answer.status_code == 201, answer.text
        assert statuses(answer.json()) == ["created"] * 3
        assert (answer.json()["created"], await numbers(client)) == (3, 3)

    async def test_numbers_follow_the_items(self, client: httpx.AsyncClient) -> None:
        """Also when some of them bring new words, in both modes."""
        for url in (BATCH, PARTIAL):
            items = [{**item, "action": f"A{index % 3}"} for index, item in enumerate(some(9))]
            items[4]["resourceType"] = "NEW" + url[-3:].upper()
            _, body = await send(client, items, url)
            found = [await row_of(client, item["interactionId"]) for item in body["items"]]
            first = found[0]["interactionNumber"]
            assert [row["interactionNumber"] for row in found] == list(range(first, first + 9))
            assert [row["resourceId"] for row in found] == [item["resourceId"] for item in items]

    async def test_an_item_may_carry_what_headers_carry(self, client: httpx.AsyncClient) -> None:
        item = {
            "uowId": new_uuid_text(),
            "userId": "u",
            "spanId": new_uuid_text(),
            "parentSpanId": new_uuid_text(),
            "timestamp": "2026-01-31T12:00:00.5Z",
        }
        _, body = await send(client, [{**SMALL, **item, "idempotencyKey": "k"}])
        row = await row_of(client, body["items"][0]["interactionId"])
        assert {name: row[name] for name in item if name != "timestamp"} == {
            name: value for name, value in item.items() if name != "timestamp"
        }
        assert row["createdDate"] == "2026-01-31T12:00:00.500Z"

    async def test_nothing_is_a_batch_too(self, client: httpx.AsyncClient) -> None:
        assert await send(client, []) == (200, {"items": [], "created": 0, "duplicates": 0, "failed": 0})


async def row_of(client: httpx.AsyncClient, interaction_id: str) -> dict[str, Any]:
    answer = await client.get(f"/api/interactions/{interaction_id}")
    assert answer.status_code == 200, answer.text
    row: dict[str, Any] = answer.json()
    return row


class TestAllOrNothing:
    async def test_one_bad_item_refuses_all_and_leaves_nothing(self, client: httpx.AsyncClient) -> None:
        items = [*some(3), {**SMALL, "action": "NEW", "outcome": "bad"}, {**SMALL, "resourceId": ""}]
        status, body = await send(client, items)
        assert (status, body["code"], paths(body)) == (400, "invalid_batch", ["[3].outcome", "[4].resourceId"])
        assert await numbers(client) == 0
        assert len((await client.get("/api/actions")).json()) == 1

    async def test_a_conflict_refuses_all_and_names_what_differs(self, client: httpx.AsyncClient) -> None:
        await send(client, some(3), idempotency_key="b")
        changed = some(5)
        changed[1]["userId"] = "x"
        changed[2] |= {"outcome": "denied", "interaction": {"a": 1}}
        status, body = await send(client, changed, idempotency_key="b")
        assert (status, body["code"]) == (409, "idempotency_conflict")
        assert paths(body) == ["[1].userId", "[2].outcome", "[2].interaction"]
        assert await numbers(client) == 3

    async def test_a_conflict_inside_the_batch_names_what_differs(self, client: httpx.AsyncClient) -> None:
        await post(client)
        items = some(2, idempotencyKey="same")
        status, body = await send(client, items)
        assert (status, paths(body)) == (409, ["[1].resourceId"])
        assert await numbers(client) == 1

    async def test_a_conflict_beside_a_new_word_leaves_no_word(self, client: httpx.AsyncClient) -> None:
        await send(client, some(1), idempotency_key="b")
        status, body = await send(client, some(2, origin="NEW_ORIGIN"), idempotency_key="b")
        assert (status, paths(body)) == (409, ["[0].origin"])
        origins = [origin["mnemonic"] for origin in (await client.get("/api/origins")).json()]
        assert origins == ["PLATFORM", "WEBAPP"]

    async def test_more_than_1_000_items(self, client: httpx.AsyncClient) -> None:
        status, body = await send(client, some(1001))
        assert (status, body["code"]) == (400, "batch_too_large")
        status, body = await send(client, some(1000))
        assert (status, body["created"]) == (201, 1000)

    async def test_only_a_hundred_issues_are_named(self, client: httpx.AsyncClient) -> None:
        _, body = await send(client, [1] * 500)
        assert len(body["details"]) == 100
        assert "499 more" in body["detail"]


class TestPartial:
    async def test_good_items_are_stored_and_bad_ones_said(self, client: httpx.AsyncClient) -> None:
        items: list[Any] = [*some(2), {**SMALL, "resourceId": ""}, 7, {**SMALL, "action": "NEW"}, *some(1)]
        status, body = await send(client, items, PARTIAL)
        assert status == 200
        assert statuses(body) == ["created", "created", "failed", "failed", "created", "created"]
        assert (body["created"], body["duplicates"], body["failed"]) == (4, 0, 2)
        assert body["items"][2]["error"]["details"][0]["path"] == "[2].resourceId"
        assert body["items"][2]["interactionId"] is None
        assert await numbers(client) == 4

    async def test_all_good_is_201_and_all_repeated_200(self, client: httpx.AsyncClient) -> None:
        assert (await send(client, some(3), PARTIAL, idempotency_key="b"))[0] == 201
        status, body = await send(client, some(3), PARTIAL, idempotency_key="b")
        assert (status, statuses(body)) == (200, ["duplicate"] * 3)

    async def test_a_conflict_fails_its_item_alone(self, client: httpx.AsyncClient) -> None:
        await send(client, some(3), idempotency_key="b")
        changed = some(4)
        changed[1]["userId"] = "x"
        status, body = await send(client, changed, PARTIAL, idempotency_key="b")
        assert (status, statuses(body)) == (200, ["duplicate", "failed", "duplicate", "created"])
        error = body["items"][1]["error"]
        assert (error["code"], error["details"][0]["path"]) == ("idempotency_conflict", "[1].userId")

    async def test_a_conflict_beside_new_words_leaves_only_the_words_of_what_is_stored(
        self, client: httpx.AsyncClient
    ) -> None:
        await send(client, some(1), idempotency_key="b")
        items = [{**SMALL, "action": f"NEW_{index}"} for index in range(3)]
        status, body = await send(client, items, PARTIAL, idempotency_key="b")
        assert (status, statuses(body)) == (200, ["failed", "created", "created"])
        actions = {action["mnemonic"] for action in (await client.get("/api/actions")).json()}
        assert actions == {"CREATE", "NEW_1", "NEW_2"}

    async def test_the_first_of_a_key_wins_whatever_its_words(self, client: httpx.AsyncClient) -> None:
        await post(client)
        items = [{**SMALL, "action": "NEW", "idempotencyKey": "k"}, {**SMALL, "idempotencyKey": "k"}]
        _, body = await send(client, items, PARTIAL)
        assert statuses(body) == ["created", "failed"]

    async def test_10_000_items_in_chunks_without_a_gap(self, client: httpx.AsyncClient) -> None:
        items = [{**SMALL, "resourceId": "" if index % 1000 == 7 else f"r-{index}"} for index in range(10_000)]
        status, body = await send(client, items, PARTIAL)
        assert (status, body["created"], body["failed"]) == (200, 9_990, 10)
        assert await numbers(client) == 9_990

    async def test_10_001_items(self, client: httpx.AsyncClient) -> None:
        status, body = await send(client, [0] * 10_001, PARTIAL)
        assert (status, body["code"]) == (400, "batch_too_large")

    async def test_another_mode(self, client: httpx.AsyncClient) -> None:
        status, body = await send(client, some(1), BATCH + "?mode=atomic")
        assert status == 201
        status, body = await send(client, some(1), BATCH + "?mode=fast")
        assert (status, paths(body)) == (400, ["mode"])


class TestKeys:
    async def test_a_batch_key_gives_each_item_its_own(self, client: httpx.AsyncClient) -> None:
        _, first = await send(client, some(3), idempotency_key="b")
        status, again = await send(client, some(3), idempotency_key="b")
        assert (status, statuses(again)) == (200, ["duplicate"] * 3)
        assert [item["interactionId"] for item in again["items"]] == [item["interactionId"] for item in first["items"]]

    async def test_its_form_is_key_and_index(self, client: httpx.AsyncClient) -> None:
        _, body = await send(client, some(2), idempotency_key="b")
        answer = await client.post("/api/interactions", json=some(2)[1], headers={"Idempotency-Key": "b#1"})
        assert (answer.status_code, answer.json()["interactionId"]) == (200, body["items"][1]["interactionId"])

    async def test_an_item_with_a_key_keeps_it(self, client: httpx.AsyncClient) -> None:
        item = {**SMALL, "idempotencyKey": "own"}
        _, body = await send(client, [item], idempotency_key="b")
        status, row = await send(client, [item], idempotency_key="c")
        assert (status, row["items"][0]["interactionId"]) == (200, body["items"][0]["interactionId"])

    async def test_a_longer_repeat_stores_the_rest(self, client: httpx.AsyncClient) -> None:
        await send(client, some(2), idempotency_key="b")
        status, body = await send(client, some(3), idempotency_key="b")
        assert (status, statuses(body)) == (201, ["duplicate", "duplicate", "created"])

    async def test_spans_are_keys_in_a_batch_too(self, client: httpx.AsyncClient) -> None:
        span = new_uuid_text()
        status, body = await send(client, [{**SMALL, "spanId": span}] * 2)
        assert (status, statuses(body)) == (201, ["created", "duplicate"])
        assert len({item["interactionId"] for item in body["items"]}) == 1

    async def test_a_batch_key_is_limited_like_any_other(self, client: httpx.AsyncClient) -> None:
        status, body = await send(client, some(1), idempotency_key="k" * 513)
        assert (status, paths(body)) == (400, ["Idempotency-Key"])

    async def test_racing_batches_over_two_servers_store_each_item_once(
        self, client: httpx.AsyncClient, app: Running, second: Running
    ) -> None:
        async def one(number: int) -> dict[str, Any]:
            url = (app, second)[number % 2].url + (PARTIAL if number % 3 else BATCH)
            return (await send(client, some(300, action="RACED"), url, idempotency_key="b"))[1]

        bodies = await asyncio.gather(*[one(number) for number in range(8)])
        assert sum(body["created"] for body in bodies) == 300
        assert len({tuple(item["interactionId"] for item in body["items"]) for body in bodies}) == 1
        assert await numbers(client) == 300


class TestLimits:
    async def test_an_item_over_256_kib_is_named(self, client: httpx.AsyncClient) -> None:
        large = {**SMALL, "interaction": {"a": "x" * (256 * 1024)}}
        status, body = await send(client, [SMALL, large])
        assert (status, paths(body)) == (400, ["[1]"])
        status, body = await send(client, [SMALL, large], PARTIAL)
        assert (status, statuses(body)) == (200, ["created", "failed"])
        assert body["items"][1]["error"]["code"] == "item_too_large"

    async def test_many_large_items_pass(self, client: httpx.AsyncClient) -> None:
        large = {**SMALL, "interaction": {"a": "x" * 200_000}}
        assert (await send(client, [large] * 80))[0] == 201

    @pytest.mark.parametrize(
        "body",
        [
            b"[" + b",".join([b"1"] * 4_000_000) + b"]",
            b'{"items":[' + b",".join([b"{}"] * 4_000_000) + b"]}",
            b"[" * 1_000_000,
            b"[" + b"[" * 10_000 + b"]" * 10_000 + b"]",
            b'{"items":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        ],
        ids=["numbers", "objects", "open", "deep", "deep in items"],
    )
    async def test_bodies_made_to_hurt_are_refused(self, client: httpx.AsyncClient, body: bytes) -> None:
        answer = await client.post(
            BATCH, content=gzip.compress(body), headers={"content-type": "application/json", "content-encoding": "gzip"}
        )
        assert answer.status_code == 400

    async def test_millions_of_lines_are_refused(self, client: httpx.AsyncClient) -> None:
        answer = await client.post(
            PARTIAL, content=b"1\n" * 4_000_000 + b"\n" * 4_000_000, headers={"content-type": "application/x-ndjson"}
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "batch_too_large")

    async def test_a_corrected_one_must_exist(self, client: httpx.AsyncClient) -> None:
        row = await post(client)
        items = [{**SMALL, "corrects": row["interactionId"]}, {**SMALL, "corrects": new_uuid_text()}]
        status, body = await send(client, items)
        assert (status, paths(body)) == (400, ["[1].corrects"])
        status, body = await send(client, items, PARTIAL)
        assert (status, statuses(body)) == (200, ["created", "failed"])
