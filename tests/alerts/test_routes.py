"""Alerts over HTTP: rules are set up, shown, changed, tried out and deleted; what is wrong is named by its place."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from provenance.alerts import previewing
from provenance.alerts.service import MOST
from provenance.core.actor import Role
from tests.alerts.conftest import Place
from tests.conftest import MakeTenant, Running, Tenant
from tests.identity.people import as_person

ONE = {"kind": "count", "atLeast": 1, "withinSeconds": 60}
RULE: dict[str, Any] = {"name": "Logins", "window": ONE}
COPIES = """
INSERT INTO alert_rules (workspace_id, id, name, severity, enabled, rule, revision, from_number, begun_at,
                         created_at, created_by, updated_at, updated_by)
SELECT workspace_id, gen_random_uuid(), 'A' || n, severity, false, rule, revision, from_number, begun_at,
       created_at, created_by, updated_at, updated_by
  FROM alert_rules, generate_series(1, $2::int) AS n WHERE workspace_id = $1
"""


async def refusal(answer: httpx.Response) -> tuple[int, str, list[str]]:
    body = answer.json()
    return answer.status_code, body["code"], [each["path"] for each in body["details"]]


class TestCreate:
    async def test_is_shown_with_what_was_left_out(self, place: Place) -> None:
        answer = await place.client.post("/api/alerts", json=RULE)
        assert answer.status_code == 201
        made = answer.json()
        assert (made["severity"], made["enabled"], made["recoverAfterSeconds"], made["maxGroups"]) == (
            "medium",
            True,
            60,
            1000,
        )
        assert made["where"] == {"resourceType": [], "action": [], "origin": [], "userId": []}
        shown = await place.get(made["alertId"])
        assert {name: shown[name] for name in made} == made
        assert (shown["states"], shown["statesComplete"], shown["state"]) == ([], True, "quiet")

    @pytest.mark.parametrize(
        ("change", "path"),
        [
            ({"name": ""}, "name"),
            ({"severity": "dreadful"}, "severity"),
            ({"window": {"kind": "count", "withinSeconds": 60}}, "window.count.atLeast"),
            ({"window": {"kind": "count", "atLeast": 1, "withinSeconds": 0}}, "window.count.withinSeconds"),
            ({"window": {"kind": "rate", "withinSeconds": 60}}, "window.rate"),
            ({"window": {"kind": "guess"}}, "window"),
            ({"window": {**ONE, "more": 1}}, "window.count.more"),
            ({"where": {"colour": "red"}}, "where.colour"),
            ({"where": {"action": [1]}}, "where.action[0]"),
            ({"maxGroups": 10_001}, "maxGroups"),
            ({"recoverAfterSeconds": -1}, "recoverAfterSeconds"),
            ({"colour": "red"}, "colour"),
        ],
    )
    async def test_names_what_is_wrong(self, place: Place, change: dict[str, Any], path: str) -> None:
        found = await refusal(await place.client.post("/api/alerts", json={**RULE, **change}))
        assert found == (400, "invalid_request", [path])

    @pytest.mark.parametrize(
        ("change", "path"),
        [
            ({"filter": "interaction.total >"}, "filter"),
            ({"filter": "colour == 'red'"}, "filter"),
            ({"filter": "'red'"}, "filter"),
            ({"filter": "[1, 2].all(x, x > 1)"}, "filter"),
            ({"groupBy": "colour"}, "groupBy"),
            ({"groupBy": "userId.split(',')"}, "groupBy"),
            ({"window": {"kind": "sequence", "number": "nothing"}}, "window.number"),
            (
                {"window": {"kind": "without", "direction": "after", "withinSeconds": 5, "other": {"filter": "x"}}},
                "window.other.filter",
            ),
        ],
    )
    async def test_names_the_expression_that_is_wrong(self, place: Place, change: dict[str, Any], path: str) -> None:
        found = await refusal(await place.client.post("/api/alerts", json={**RULE, **change}))
        assert found == (400, "bad_alert_expression", [path])
        tried = {name: value for name, value in {**RULE, **change}.items() if name != "name"}
        assert await refusal(await place.client.post("/api/alerts/preview", json=tried)) == found

    async def test_names_are_taken_once_and_there_is_an_end(self, place: Place) -> None:
        await place.client.post("/api/alerts", json=RULE)
        again = await place.client.post("/api/alerts", json=RULE)
        assert (again.status_code, again.json()["code"]) == (409, "alert_name_taken")
        async with place.ledger.db.housekeeping(place.workspace_id) as tx:
            await tx.driver_sql(COPIES, (place.workspace_id, MOST - 1))
        beyond = await place.client.post("/api/alerts", json={**RULE, "name": "one more"})
        assert (beyond.status_code, beyond.json()["code"]) == (409, "too_many_alerts")
        page = (await place.client.get("/api/alerts?limit=30&page=2")).json()
        assert (len(page["data"]), page["pagination"]["total"], page["pagination"]["totalPages"]) == (30, MOST, 4)


class TestUpdate:
    async def test_a_new_name_changes_nothing_else(self, place: Place) -> None:
        alert = await place.add(window=ONE)
        await place.post()
        await place.hear()
        answer = await place.client.patch(f"/api/alerts/{alert}", json={"name": "Other", "severity": "low"})
        assert (answer.json()["name"], answer.json()["state"]) == ("Other", "firing")

    async def test_another_rule_begins_anew(self, place: Place) -> None:
        alert = await place.add(window=ONE, filter="interaction.n > 1")
        await place.post(interaction={"n": 2})
        await place.hear()
        answer = await place.client.patch(f"/api/alerts/{alert}", json={"filter": None, "groupBy": "resourceId"})
        assert (answer.json()["filter"], answer.json()["state"], answer.json()["groups"]) == (None, "quiet", 0)
        query = {"resourceType": "ALERT", "action": "UPDATED"}
        [row] = (await place.client.get("/api/interactions", params=query)).json()["data"]
        assert row["interaction"]["endedFirings"] == 1
        await place.post()
        await place.hear()
        assert len(await place.told(alert)) == 2

    async def test_what_it_is_already_changes_nothing(self, place: Place) -> None:
        alert = await place.add(window=ONE)
        same = {"window": ONE, "enabled": True, "recoverAfterSeconds": None}
        assert (await place.client.patch(f"/api/alerts/{alert}", json=same)).status_code == 200
        query = {"resourceType": "ALERT", "action": "UPDATED"}
        assert (await place.client.get("/api/interactions", params=query)).json()["data"] == []

    async def test_one_that_is_off_hears_nothing(self, place: Place) -> None:
        alert = await place.add(window=ONE)
        off = await place.client.patch(f"/api/alerts/{alert}", json={"enabled": False})
        assert off.json()["state"] == "disabled"
        await place.post()
        await place.hear()
        await place.client.patch(f"/api/alerts/{alert}", json={"enabled": True})
        await place.later(0)
        assert await place.told(alert) == []

    async def test_refusals(self, place: Place) -> None:
        alert = await place.add(window=ONE)
        await place.add(window=ONE, name="Taken")
        path = f"/api/alerts/{alert}"
        assert (await place.client.patch(path, json={"name": "Taken"})).json()["code"] == "alert_name_taken"
        assert await refusal(await place.client.patch(path, json={"window": None})) == (
            400,
            "invalid_request",
            ["window"],
        )
        assert (await refusal(await place.client.patch(path, json={"filter": "x"})))[2] == ["filter"]


class TestDelete:
    async def test_is_gone_with_what_it_remembers(self, place: Place) -> None:
        alert = await place.add(window=ONE)
        await place.post()
        await place.hear()
        answer = await place.client.delete(f"/api/alerts/{alert}")
        assert answer.json() == {"alertId": alert, "deleted": True}
        again = await place.client.delete(f"/api/alerts/{alert}")
        assert (again.status_code, again.json()["code"]) == (404, "alert_not_found")
        await place.later(500)


class TestSilence:
    async def test_refusals(self, place: Place) -> None:
        alert = await place.add(window=ONE)
        past = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        path = f"/api/alerts/{alert}/silence"
        assert await refusal(await place.client.post(path, json={"until": past})) == (
            400,
            "invalid_request",
            ["until"],
        )
        assert (await refusal(await place.client.post(path, json={})))[2] == ["until"]
        for group in ("agrp_1", "agrp_" + "0" * 26):
            answer = await place.client.post(path, json={"until": None, "groupId": group})
            assert (answer.status_code, answer.json()["code"]) == (404, "alert_group_not_found")


class TestWhoMay:
    async def test_viewers_read_and_editors_write(self, place: Place, app: Running, workspace: Tenant) -> None:
        alert = await place.add(window=ONE, where={"resourceType": "ALERT"}, groupBy="resourceId")
        other = await place.add(window=ONE)
        await place.hear()
        async with await as_person(app, workspace, Role.VIEWER) as viewer:
            assert (await viewer.get("/api/alerts")).json()["pagination"]["total"] == 2
            [group] = (await viewer.get(f"/api/alerts/{alert}")).json()["states"]
            assert group["group"] is None
            assert (await viewer.post("/api/alerts", json=RULE)).status_code == 403
            assert (await viewer.post("/api/alerts/preview", json={"window": ONE})).status_code == 403
        async with await as_person(app, workspace, Role.EDITOR) as editor:
            assert [each["group"] for each in (await editor.get(f"/api/alerts/{alert}")).json()["states"]] == [other]
            assert (await editor.post("/api/alerts", json=RULE)).status_code == 201

    async def test_a_key_that_records_sets_nothing_up(
        self, app: Running, workspace: Tenant, make_tenant: MakeTenant
    ) -> None:
        key = (await make_tenant(("interactions:write", "interactions:read"), into=workspace.id)).key
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": key}, timeout=30) as service:
            assert (await service.post("/api/alerts", json=RULE)).status_code == 403
            assert (await service.get("/api/alerts")).status_code == 200


class TestPreview:
    async def test_says_what_would_have_fired(self, place: Place) -> None:
        for user in ("ada", "ada", "bob"):
            last = await place.post(userId=user)
        asked = {"groupBy": "userId", "window": {"kind": "count", "atLeast": 2, "withinSeconds": 600}, "hours": 1}
        found = (await place.client.post("/api/alerts/preview", json=asked)).json()
        [fired] = found["firings"]
        assert (fired["group"], fired["count"], fired["recoveredAt"], len(fired["evidence"])) == ("ada", 2, None, 2)
        assert (found["scanned"], found["matched"], found["complete"]) == (last["interactionNumber"], 3, True)
        assert (await place.client.get("/api/alerts")).json()["data"] == []
        assert await place.told() == []

    async def test_silence_of_the_whole_period(self, place: Place) -> None:
        asked = {"window": {"kind": "absence", "withinSeconds": 600}, "hours": 1}
        found = (await place.client.post("/api/alerts/preview", json=asked)).json()
        assert [(each["group"], each["recoveredAt"]) for each in found["firings"]] == [(None, None)]

    async def test_shows_what_goes_wrong(self, place: Place) -> None:
        row = await place.post(interaction={"total": "much"})
        asked = {"filter": "interaction.total > 5", "window": ONE}
        found = (await place.client.post("/api/alerts/preview", json=asked)).json()
        assert found["error"]["interactionNumber"] == row["interactionNumber"]

    async def test_is_bounded(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in range(6):
            await place.post(resourceId=f"r-{number}")
        monkeypatch.setattr(previewing, "MOST_ROWS", 4)
        monkeypatch.setattr(previewing, "MOST_FIRINGS", 2)
        asked = {"window": ONE, "groupBy": "resourceId", "maxGroups": 3}
        found = (await place.client.post("/api/alerts/preview", json=asked)).json()
        assert (found["scanned"], found["complete"], found["droppedGroups"]) == (4, False, 1)
        assert (len(found["firings"]), found["moreFirings"]) == (2, 2)

    async def test_rows_of_the_platform_are_for_those_who_read_them(
        self, place: Place, app: Running, workspace: Tenant, make_tenant: MakeTenant
    ) -> None:
        await place.add(window=ONE)
        asked = {"window": ONE, "where": {"resourceType": "ALERT"}}
        assert (await place.client.post("/api/alerts/preview", json=asked)).json()["matched"] == 1
        key = (await make_tenant(("interactions:read",), into=workspace.id)).key
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": key}, timeout=30) as reader:
            assert (await reader.post("/api/alerts/preview", json=asked)).json()["matched"] == 0
