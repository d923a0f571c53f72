"""Notification settings over HTTP (rows 49 and 50): who may, what is refused where, what is shown and recorded."""

from typing import Any

import httpx
import pytest

from provenance.core.actor import Role
from tests.conftest import Running, Tenant
from tests.identity.conftest import bearer, make_person_of, sign_in, some_address

SECRET = "canary-of-a-notification-webhook"
PATH = "/workspace/notifications"
HOOK: dict[str, Any] = {"url": "https://hooks.example.com/in", "secret": SECRET}
EMAIL: dict[str, Any] = {"enabled": True, "recipients": ["ops@example.com"]}
RULE: dict[str, Any] = {"event": "run.failed", "channels": ["email"]}


class TestGet:
    async def test_everything_is_off_at_first(self, admin: httpx.AsyncClient) -> None:
        assert (await admin.get(PATH)).json() == {
            "channels": {
                "email": {"enabled": False, "recipients": []},
                "slack": None,
                "webhook": None,
                "inApp": {"enabled": False, "to": [{"kind": "role", "id": "editor"}]},
            },
            "rules": [],
        }

    async def test_editors_read_and_only_admins_write(
        self, near: Running, place: Tenant, reader: httpx.AsyncClient
    ) -> None:
        editor = await make_person_of(near, place, Role.EDITOR)
        async with httpx.AsyncClient(base_url=near.url, headers={"x-forwarded-for": some_address()}) as web:
            web.headers.update(bearer(await sign_in(web, editor, workspaceId=place.id)))
            assert (await web.get(PATH)).status_code == 200
            assert (await web.put(PATH, json={})).status_code == 403
        assert (await reader.get(PATH)).json()["code"] == "people_only"


class TestUpdate:
    async def test_what_was_set_is_shown_without_the_secret(self, near: Running, admin: httpx.AsyncClient) -> None:
        rules = [{**RULE, "minRisk": "high", "channels": ["email", "webhook", "inApp"], "environments": ["production"]}]
        rules[0]["quietHours"] = {"from": "22:00", "to": "07:00", "timezone": "Europe/Berlin"}
        channels = {"email": EMAIL, "webhook": HOOK, "inApp": {"enabled": True}}
        answer = await admin.put(PATH, json={"channels": channels, "rules": rules})
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["rules"] == rules
        assert found["channels"]["webhook"] == {"url": HOOK["url"], "plaintext": False, "hasSecret": True}
        assert (await admin.get(PATH)).json() == found
        event = (await admin.get("/audit", params={"eventType": "notifications.updated"})).json()["items"][0]
        assert (event["eventType"], event["detail"]["recipients"]) == ("notifications.updated", 1)
        for text in (answer.text, str(event)):
            assert "canary" not in text
        assert "ops@example.com" not in str(event)
        async with near.ledger.db.housekeeping() as tx:
            rows = (await tx.driver_sql("SELECT s::text FROM notification_settings AS s")).scalars().all()
        assert "canary" not in str(rows)
        assert "ops@example.com" not in str(rows)

    async def test_the_secret_stays_at_its_place_and_goes_nowhere_else(self, admin: httpx.AsyncClient) -> None:
        await admin.put(PATH, json={"channels": {"webhook": HOOK}})
        same = {"channels": {"webhook": {"url": "https://hooks.example.com/other"}}}
        assert (await admin.put(PATH, json=same)).json()["channels"]["webhook"]["hasSecret"] is True
        moved = await admin.put(PATH, json={"channels": {"webhook": {"url": "https://evil.example.com/in"}}})
        assert (moved.status_code, moved.json()["code"]) == (400, "channel_secret_needed")

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({"rules": [{**RULE, "event": "run.imagined"}]}, "rules[0].event"),
            ({"rules": [{**RULE, "channels": ["fax"]}]}, "rules[0].channels[0]"),
            ({"rules": [{**RULE, "channels": []}]}, "rules[0].channels"),
            ({"rules": [RULE]}, "rules[0].channels[0]"),  # mail is off
            ({"channels": {"email": EMAIL}, "rules": [RULE, {**RULE, "channels": ["email", "webhook"]}]},
             "rules[1].channels[1]"),
            ({"channels": {"email": {"enabled": True}}}, "channels.email.recipients"),
            ({"channels": {"email": {"enabled": True, "recipients": ["nobody"]}}}, "channels.email.recipients[0]"),
            ({"channels": {"email": {"enabled": True, "recipients": ["a@b\r\nBcc: c@d"]}}},
             "channels.email.recipients[0]"),
            ({"channels": {"pigeon": {}}}, "channels.pigeon"),
            ({"channels": {"slack": {"connectionId": "conn_1", "channel": "#x"}}}, "channels.slack.connectionId"),
            ({"channels": {"webhook": {"url": "http://hooks.example.com", "secret": SECRET}}}, "channels.webhook"),
            ({"channels": {"webhook": {**HOOK, "secret": "short"}}}, "channels.webhook.secret"),
            ({"rules": [{**RULE, "quietHours": {"from": "25:00", "to": "07:00"}}]}, "rules[0].quietHours.from"),
            ({"rules": [{**RULE, "quietHours": {"from": "07:00", "to": "07:00"}}]}, "rules[0].quietHours"),
            ({"rules": [{**RULE, "quietHours": {"from": "01:00", "to": "07:00", "timezone": "../etc"}}]},
             "rules[0].quietHours.timezone"),
        ],
    )  # fmt: skip
    async def test_what_can_not_be_is_refused_where_it_is(
        self, admin: httpx.AsyncClient, body: dict[str, Any], path: str
    ) -> None:
        answer = await admin.put(PATH, json=body)
        assert answer.status_code == 400, answer.text
        assert answer.json()["details"][0]["path"] == path
        assert "canary" not in answer.text
