"""Alerts end to end: rows over HTTP, heard by number, time that passes, and what is on record of it."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from provenance.alerts.following import TOLD_AT_ONCE
from tests.alerts.conftest import Place
from tests.conftest import MakeTenant, Running

COUNT = {"kind": "count", "atLeast": 3, "withinSeconds": 60}
ONE = {"kind": "count", "atLeast": 1, "withinSeconds": 60}


def words(rows: list[dict[str, Any]]) -> list[str]:
    return [row["actionMnemonic"] for row in rows]


def in_future(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


class TestKinds:
    async def test_count_fires_once_goes_on_and_recovers(self, place: Place) -> None:
        alert = await place.add(
            where={"resourceType": "account", "action": ["LOGIN"]},
            filter="outcome == 'failure'",
            groupBy="userId",
            window=COUNT,
            severity="high",
        )
        rows = [await place.post(userId="ada", outcome="failure") for _ in range(4)]
        await place.post(userId="bob", outcome="success")
        await place.hear()
        [fired] = await place.told(alert)
        told = fired["interaction"]
        assert (words([fired]), told["count"], fired["platform"]) == (["FIRING"], 3, True)
        cited = [(row["interactionNumber"], row["interactionId"]) for row in rows[:3]]
        assert [(each["interactionNumber"], each["interactionId"]) for each in told["evidence"]] == cited
        [group] = (await place.get(alert))["states"]
        assert (group["group"], group["state"], group["groupId"]) == ("ada", "firing", told["groupId"])
        await place.later(59)
        await place.post(userId="ada", outcome="failure")
        await place.later(100)
        assert len(await place.told(alert)) == 1
        await place.later(200)
        assert words(await place.told(alert)) == ["FIRING", "RECOVERED"]
        assert (await place.get(alert))["groups"] == 0

    async def test_rate_above_and_below(self, place: Place) -> None:
        where = {"resourceType": ["ORDER"]}
        above = await place.add(where=where, window={"kind": "rate", "above": 2, "withinSeconds": 60})
        below = await place.add(where=where, window={"kind": "rate", "below": 2, "withinSeconds": 60})
        for _ in range(3):
            await place.post("PLACED", "ORDER")
        await place.hear()
        assert [len(await place.told(each)) for each in (above, below)] == [1, 0]
        await place.later(65)
        assert words(await place.told(below)) == ["FIRING"]

    async def test_absence_of_anything_and_of_each_that_was_seen(self, place: Place) -> None:
        window = {"kind": "absence", "withinSeconds": 600}
        alone = await place.add(where={"action": "BEAT"}, window=window, recoverAfterSeconds=0)
        each = await place.add(where={"action": "BEAT"}, window=window, groupBy="resourceId", recoverAfterSeconds=0)
        await place.later(300)
        assert await place.told() == []
        await place.post("BEAT", "HOST", resourceId="host-7")
        await place.later(605)
        assert words(await place.told(alone)) == ["FIRING"]
        assert words(await place.told(each)) == ["FIRING"]
        await place.post("BEAT", "HOST", resourceId="host-8")
        await place.hear()
        assert words(await place.told(alone)) == ["FIRING", "RECOVERED"]
        assert words(await place.told(each)) == ["FIRING"]
        states = {group["group"]: group["state"] for group in (await place.get(each))["states"]}
        assert states == {"host-7": "firing", "host-8": "quiet"}

    async def test_a_gap_in_a_sequence_of_each_producer(self, place: Place) -> None:
        alert = await place.add(
            where={"resourceType": "BATCH"},
            groupBy="interaction.producer",
            window={"kind": "sequence", "number": "interaction.seq", "withinSeconds": 30},
        )
        for producer, numbers in (("a", [1, 2, 5, 4]), ("b", [7, 9, 8])):
            for number in numbers:
                await place.post("SENT", "BATCH", interaction={"producer": producer, "seq": number})
        await place.later(31)
        [fired] = await place.told(alert)
        assert (fired["interaction"]["count"], fired["interaction"]["details"]) == (1, {"missing": [[3, 3]]})

    async def test_a_sequence_index_is_a_number_too(self, place: Place) -> None:
        alert = await place.add(window={"kind": "sequence"}, where={"resourceType": "BATCH"})
        for number in (1, 3):
            await place.post("SENT", "BATCH", sequenceIndex=number)
        await place.later(61)
        assert words(await place.told(alert)) == ["FIRING"]

    async def test_a_delete_without_an_approval_before_it(self, place: Place) -> None:
        other = {"where": {"action": "APPROVED"}}
        window = {"kind": "without", "other": other, "direction": "before", "withinSeconds": 600}
        alert = await place.add(where={"action": "DELETED"}, window=window)
        async with place.ledger.db.housekeeping(place.workspace_id) as tx:  # as if it had begun long ago
            await tx.driver_sql("UPDATE alert_rules SET begun_at = 0 WHERE workspace_id = $1", (place.workspace_id,))
        good, bad = str(uuid.uuid4()), str(uuid.uuid4())
        await place.post("APPROVED", "FILE", uowId=good)
        await place.post("DELETED", "FILE", uowId=good)
        await place.post("DELETED", "FILE", uowId=bad)
        await place.hear()
        [fired] = await place.told(alert)
        [cited] = fired["interaction"]["evidence"]
        row = (await place.client.get(f"/api/interactions/{cited['interactionId']}")).json()
        assert (row["uowId"], row["actionMnemonic"]) == (bad, "DELETED")

    async def test_a_request_without_an_answer_after_it(self, place: Place) -> None:
        other = {"where": {"action": "ANSWERED"}}
        window = {"kind": "without", "other": other, "direction": "after", "withinSeconds": 60}
        alert = await place.add(where={"action": "ASKED"}, window=window, groupBy="resourceId")
        for action, ticket in (("ASKED", "t-1"), ("ASKED", "t-2"), ("ANSWERED", "t-2")):
            await place.post(action, "TICKET", resourceId=ticket)
        await place.later(61)
        assert words(await place.told(alert)) == ["FIRING"]
        assert (await place.get(alert))["states"][0]["group"] == "t-1"


class TestWhatConcernsARule:
    async def test_only_what_came_after_it_was_made(self, place: Place) -> None:
        await place.post()
        alert = await place.add(window=ONE)
        await place.hear()
        assert await place.told(alert) == []
        await place.post()
        await place.hear()
        assert len(await place.told(alert)) == 1

    async def test_another_workspace_is_never_seen(self, place: Place, make_tenant: MakeTenant, app: Running) -> None:
        alert, theirs = await place.add(window=ONE), await make_tenant()
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": theirs.key}, timeout=30) as stranger:
            other = Place(place.ledger, stranger, place.workspace_id)
            await other.post()
            assert (await stranger.get(f"/api/alerts/{alert}")).status_code == 404
            assert (await stranger.get("/api/alerts")).json()["data"] == []
            for method, path in (("PATCH", ""), ("DELETE", ""), ("POST", "/silence"), ("POST", "/acknowledge")):
                body = {"until": None} if path == "/silence" else {}
                answer = await stranger.request(method, f"/api/alerts/{alert}{path}", json=body)
                assert (answer.status_code, answer.json()["code"]) == (404, "alert_not_found")
        await place.later(0)
        assert await place.told() == []

    async def test_rows_of_the_platform_where_their_type_is_named(self, place: Place) -> None:
        every = await place.add(window=ONE)
        named = await place.add(where={"resourceType": "alert", "action": "created"}, window=ONE)
        await place.add(window={"kind": "absence", "withinSeconds": 60})
        await place.hear()
        assert [len(await place.told(each)) for each in (every, named)] == [0, 1]

    async def test_alerts_on_alerts_end_there(self, place: Place) -> None:
        first = await place.add(window=ONE, where={"resourceType": "ACCOUNT"})
        seconds = [
            await place.add(window=ONE, where={"resourceType": "ALERT", "action": ["FIRING"]}, recoverAfterSeconds=0)
            for _ in range(2)
        ]
        await place.post()
        await place.hear()
        await place.later(500)
        await place.hear()
        told = {each: words(await place.told(each)) for each in (first, *seconds)}
        assert set(map(tuple, told.values())) == {("FIRING", "RECOVERED")}

    async def test_a_filter_that_fails_is_shown_and_stops_nobody(self, place: Place) -> None:
        broken = await place.add(filter="interaction.total > 'x'", window=ONE)
        missing = await place.add(filter="interaction.nothing > 1", window=ONE)
        sound = await place.add(filter="interaction.total > 1", window=ONE)
        row = await place.post(interaction={"total": 5})
        await place.post(interaction={"total": 6})
        await place.hear()
        assert [len(await place.told(each)) for each in (broken, missing, sound)] == [0, 0, 1]
        error = (await place.get(broken))["error"]
        assert (error["count"], error["interactionNumber"]) == (2, row["interactionNumber"] + 1)
        assert "overload" in error["issue"]
        assert (await place.get(missing))["error"] is None

    async def test_a_group_that_is_none_is_an_error(self, place: Place) -> None:
        alert = await place.add(groupBy="userId", window=ONE)
        await place.post()
        await place.hear()
        assert (await place.get(alert))["error"]["issue"] == "groupBy gives null: the row belongs to no group"


class TestBounds:
    async def test_the_oldest_groups_are_dropped_and_counted(self, place: Place) -> None:
        alert = await place.add(groupBy="resourceId", window=COUNT, maxGroups=2)
        for name in ("a", "b", "c"):
            await place.post(resourceId=name)
        await place.hear()
        found = await place.get(alert)
        assert (found["groups"], found["droppedGroups"]) == (2, 1)
        assert {group["group"] for group in found["states"]} == {"b", "c"}

    async def test_one_that_fires_and_is_dropped_is_told_to_be_gone(self, place: Place) -> None:
        alert = await place.add(groupBy="resourceId", window=ONE, maxGroups=1)
        for name in ("a", "b"):
            await place.post(resourceId=name)
            await place.hear()
        told = await place.told(alert)
        assert words(told) == ["FIRING", "FIRING", "RECOVERED"]
        assert told[2]["interaction"]["reason"] == "dropped"
        assert told[2]["interaction"]["groupId"] == told[0]["interaction"]["groupId"]

    async def test_a_flood_is_not_told_group_by_group(self, place: Place) -> None:
        alert = await place.add(groupBy="resourceId", window=ONE)
        row = {"resourceType": "ACCOUNT", "action": "LOGIN", "origin": "SHOP"}
        rows = [{**row, "resourceId": f"r-{n}"} for n in range(TOLD_AT_ONCE + 20)]
        assert (await place.client.post("/api/interactions/batch", json=rows)).status_code == 201
        await place.hear()
        assert len(await place.told(alert)) == TOLD_AT_ONCE
        assert (await place.get(alert))["firing"] == TOLD_AT_ONCE + 20


class TestSilence:
    async def silenced(self, place: Place, alert: str, seconds: float | None, **more: Any) -> dict[str, Any]:
        body = {"until": None if seconds is None else in_future(seconds), **more}
        answer = await place.client.post(f"/api/alerts/{alert}/silence", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def test_nothing_is_told_until_it_ends(self, place: Place) -> None:
        alert = await place.add(window={"kind": "count", "atLeast": 1, "withinSeconds": 36_000})
        assert (await self.silenced(place, alert, 3600))["silencedUntil"] is not None
        await place.post()
        await place.later(1800)
        assert (await place.told(alert), (await place.get(alert))["state"]) == ([], "firing")
        await place.later(3700)
        assert words(await place.told(alert)) == ["FIRING"]

    async def test_what_came_and_went_is_never_told(self, place: Place) -> None:
        alert = await place.add(window=ONE)
        await self.silenced(place, alert, 3600)
        await place.post()
        await place.later(200)
        await place.later(4000)
        assert await place.told(alert) == []

    async def test_one_that_is_lifted_tells_at_once(self, place: Place) -> None:
        alert = await place.add(window=ONE)
        await self.silenced(place, alert, 3600, reason="maintenance")
        await place.post()
        await place.hear()
        await self.silenced(place, alert, None)
        await place.later(1)
        assert words(await place.told(alert)) == ["FIRING"]

    async def test_of_one_group(self, place: Place) -> None:
        alert = await place.add(window=COUNT, groupBy="resourceId")
        for name in ("a", "b"):
            await place.post(resourceId=name)
        await place.hear()
        group = next(each for each in (await place.get(alert))["states"] if each["group"] == "a")
        await self.silenced(place, alert, 3600, groupId=group["groupId"])
        for _ in range(2):
            for name in ("a", "b"):
                await place.post(resourceId=name)
        await place.hear()
        [fired] = await place.told(alert)
        assert fired["interaction"]["groupId"] != group["groupId"]
        assert (await place.get(alert))["firing"] == 2


class TestAcknowledge:
    async def test_is_shown_until_it_recovers(self, place: Place) -> None:
        alert = await place.add(window=ONE)
        path = f"/api/alerts/{alert}/acknowledge"
        refused = await place.client.post(path, json={})
        assert (refused.status_code, refused.json()["code"]) == (409, "alert_not_firing")
        await place.post()
        await place.hear()
        assert (await place.client.post(path, json={"note": "looking"})).status_code == 200
        [group] = (await place.get(alert))["states"]
        assert group["acknowledgedBy"].startswith("key_")
        assert group["acknowledgedAt"]
        await place.later(200)
        assert words(await place.told(alert)) == ["FIRING", "RECOVERED"]


class TestErasure:
    async def test_a_group_of_an_erased_person_is_forgotten(self, place: Place, erase: Any) -> None:
        alert = await place.add(groupBy="userId", window=ONE)
        for user in ("ada", "bob"):
            await place.post(userId=user)
        await place.hear()
        await erase(userId="ada", reason="asked to be forgotten")
        assert [group["group"] for group in (await place.get(alert))["states"]] == ["bob"]
        told = await place.told(alert)
        assert words(told) == ["FIRING", "FIRING", "RECOVERED"]
        assert told[2]["interaction"]["reason"] == "erased"
        async with place.ledger.db.housekeeping(place.workspace_id) as tx:
            query = "SELECT s::text FROM alert_states AS s WHERE workspace_id = $1"
            assert all('"ada"' not in row[0] for row in await tx.driver_sql(query, (place.workspace_id,)))
            query = "SELECT content FROM interactions WHERE workspace_id = $1 AND content IS NOT NULL"
            assert all('"ada"' not in row[0] for row in await tx.driver_sql(query, (place.workspace_id,)))

    async def test_what_was_erased_before_it_was_heard_is_passed_by(self, place: Place, erase: Any) -> None:
        alert = await place.add(groupBy="userId", window=ONE)
        await place.post(userId="ada")
        await erase(userId="ada", reason="asked to be forgotten")
        await place.hear()
        assert (await place.get(alert))["error"] is None
        assert await place.told(alert) == []


@pytest.mark.parametrize("expression", ["resourceTypeMnemonic", "outcome"])
async def test_a_group_of_the_ledgers_own_words_is_named(place: Place, expression: str) -> None:
    alert = await place.add(groupBy=expression, window=ONE)
    await place.post(outcome="failure")
    await place.hear()
    [fired] = await place.told(alert)
    assert fired["interaction"]["group"] in ("ACCOUNT", "failure")
