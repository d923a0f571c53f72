"""Webhooks over HTTP: who is let in, in which order things are looked at, repeats, and what the run is given."""

import asyncio
import base64
import hmac
import time
from typing import Any

import httpx
import pytest

from provenance.core import ids
from provenance.runs.webhooks.service import Webhooks
from tests.conftest import MakeTenant, Running, Tenant
from tests.runs.webhooks.conftest import ORDER, Hook, MakeHook, hooked, signed

UNKNOWN = "wf_01HX0000000000000000000000"


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def run_ids(client: httpx.AsyncClient) -> list[str]:
    return [run["runId"] for run in (await client.get("/runs")).json()["items"]]


async def create(client: httpx.AsyncClient, name: str, document: dict[str, Any]) -> str:
    made = await client.post("/workflows", json={"name": name, "definition": document})
    workflow_id: str = made.json()["workflowId"]
    return workflow_id


class TestSeed:
    """What the published page says of webhooks, word by word."""

    async def test_a_signed_body_starts_a_run_with_it_as_input(self, client: httpx.AsyncClient, hook: Hook) -> None:
        answer = await hook.post()
        assert answer.status_code == 201
        assert answer.json().keys() == {"runId", "status"}
        assert answer.json()["status"] == "running"
        run = (await client.get(f"/runs/{answer.json()['runId']}")).json()
        assert (run["status"], run["input"]) == ("completed", {"orderId": "ORD-9921", "amount": 750.0})
        assert (run["workflowId"], run["triggerType"]) == (hook.workflow_id, "webhook")
        assert run["triggeredBy"] == {"kind": "webhook", "id": "webhook"}

    async def test_an_invalid_signature_is_401_and_starts_nothing(self, client: httpx.AsyncClient, hook: Hook) -> None:
        answer = await hook.post(headers=signed("another secret"))
        assert code_of(answer) == (401, "bad_signature")
        assert await run_ids(client) == []

    async def test_signing_the_parsed_body_is_the_common_mistake(self, hook: Hook) -> None:
        reserialised = b'{"orderId": "ORD-9921", "amount": 750.0}'
        assert code_of(await hook.post(headers=signed(hook.secret, reserialised))) == (401, "bad_signature")

    async def test_neither_token_nor_key_is_accepted(self, app: Running, workspace: Tenant, hook: Hook) -> None:
        for credential in ({"Authorization": "Bearer abc"}, {"x-api-key": workspace.key}, {}):
            assert code_of(await hook.post(headers=credential)) == (401, "bad_signature")

    async def test_they_are_not_looked_at_beside_a_signature_either(self, hook: Hook) -> None:
        nonsense = {"Authorization": "Bearer abc", "x-api-key": "pv_no_key"}
        assert (await hook.post(headers=signed(hook.secret) | nonsense)).status_code == 201


class TestSignature:
    async def test_with_its_prefix(self, hook: Hook) -> None:
        value = signed(hook.secret)["X-ProvenanceOne-Signature"]
        assert (await hook.post(headers={"X-ProvenanceOne-Signature": f"sha256={value}"})).status_code == 201

    async def test_it_comes_before_content_type_and_json(self, client: httpx.AsyncClient, hook: Hook) -> None:
        body = b"no json"
        assert code_of(await hook.post(body, headers={"Content-Type": "text/plain"})) == (401, "bad_signature")
        plain = signed(hook.secret, body) | {"Content-Type": "text/plain"}
        assert code_of(await hook.post(body, headers=plain)) == (400, "unsupported_content_type")
        assert code_of(await hook.post(body)) == (400, "invalid_json")
        assert code_of(await hook.post(b"")) == (400, "invalid_json")
        assert await run_ids(client) == []

    async def test_unknown_workflows_answer_like_a_wrong_signature(self, sender: httpx.AsyncClient, hook: Hook) -> None:
        wrong = await hook.post(headers=signed("another secret"))
        for workflow_id in (UNKNOWN, "nonsense", "wf_"):
            answer = await sender.post(f"/webhooks/{workflow_id}", content=ORDER, headers=signed("another secret"))
            differing = {"requestId"}
            assert {k: v for k, v in answer.json().items() if k not in differing} == {
                k: v for k, v in wrong.json().items() if k not in differing
            }

    async def test_without_a_secret_nothing_is_right(
        self, client: httpx.AsyncClient, sender: httpx.AsyncClient
    ) -> None:
        workflow_id = await create(client, "No secret", hooked())
        await client.post(f"/workflows/{workflow_id}/publish", json={})
        assert code_of(await Hook(workflow_id, "", sender).post()) == (401, "bad_signature")
        shown = (await client.get(f"/workflows/{workflow_id}")).json()["triggerSettings"]["webhook"]
        assert (shown["enabled"], shown["secretSet"]) == (False, False)

    async def test_a_large_body(self, hook: Hook) -> None:
        assert (await hook.post(b'"' + b"a" * (1024 * 1024 - 2) + b'"')).status_code in (201, 400)
        assert code_of(await hook.post(b'"' + b"a" * (1024 * 1024) + b'"')) == (413, "body_too_large")

    async def test_secrets_of_two_workspaces_do_not_mix(
        self, app: Running, hook: Hook, make_tenant: MakeTenant
    ) -> None:
        other = await make_tenant()
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": other.key}) as client:
            made = await create(client, "B", hooked())
            secret = (await client.post(f"/workflows/{made}/webhook-secret/rotate")).json()["secret"]
        assert code_of(await hook.post(headers=signed(secret))) == (401, "bad_signature")


class TestRotation:
    async def test_two_secrets_are_good_until_the_grace_ends(self, client: httpx.AsyncClient, hook: Hook) -> None:
        path = f"/workflows/{hook.workflow_id}/webhook-secret/rotate"
        rotated = await client.post(path)
        assert rotated.json().keys() == {"secret", "createdAt", "previousValidUntil"}
        assert (await hook.post()).status_code == 201
        assert (await hook.post(headers=signed(rotated.json()["secret"]))).status_code == 201
        await client.post(f"{path}?graceMinutes=0")
        assert code_of(await hook.post()) == (401, "bad_signature")
        assert code_of(await hook.post(headers=signed(rotated.json()["secret"]))) == (401, "bad_signature")

    async def test_a_secret_that_the_sender_chose(self, client: httpx.AsyncClient, make_hook: MakeHook) -> None:
        hook = await make_hook(secret="the senders own secret".replace(" ", "-"))
        assert (await hook.post()).status_code == 201
        path = f"/workflows/{hook.workflow_id}/webhook-secret/rotate"
        for bad in ("short", "with a blank in the middle", "x" * 257):
            assert (await client.post(path, json={"secret": bad})).status_code == 400


class TestTimestamp:
    async def test_what_is_sent_is_signed_and_recent(self, hook: Hook) -> None:
        assert (await hook.post(headers=self.stamped(hook, 0))).status_code == 201
        assert (await hook.post(headers=self.stamped(hook, -280))).status_code == 201
        for off in (-320, 320):
            assert code_of(await hook.post(headers=self.stamped(hook, off))) == (401, "bad_signature")
        moved = signed(hook.secret) | {"X-ProvenanceOne-Timestamp": str(int(time.time()))}
        assert code_of(await hook.post(headers=moved)) == (401, "bad_signature")

    async def test_it_can_be_insisted_on(self, make_hook: MakeHook) -> None:
        hook = await make_hook({"requireTimestamp": True})
        assert code_of(await hook.post()) == (401, "bad_signature")
        assert (await hook.post(headers=self.stamped(hook, 0))).status_code == 201

    @staticmethod
    def stamped(hook: Hook, off: int) -> dict[str, str]:
        at = str(int(time.time()) + off)
        return signed(hook.secret, at.encode() + b"." + ORDER) | {"X-ProvenanceOne-Timestamp": at}


class TestDeliveries:
    async def test_the_same_delivery_is_answered_with_the_first_run(
        self, client: httpx.AsyncClient, hook: Hook
    ) -> None:
        headers = signed(hook.secret) | {"X-ProvenanceOne-Delivery": "d-1"}
        answers = await asyncio.gather(*[hook.post(headers=headers) for _ in range(5)])
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.text for answer in answers}) == 1
        other = await hook.post(headers=headers | {"X-ProvenanceOne-Delivery": "d-2"})
        assert sorted(await run_ids(client)) == sorted([answers[0].json()["runId"], other.json()["runId"]])

    async def test_the_same_body_twice_is_two_deliveries_unless_opted_in(
        self, client: httpx.AsyncClient, hook: Hook, make_hook: MakeHook
    ) -> None:
        assert (await hook.post()).json()["runId"] != (await hook.post()).json()["runId"]

    async def test_by_the_body_where_opted_in(self, client: httpx.AsyncClient, make_hook: MakeHook) -> None:
        hook = await make_hook({"deduplicate": "body"})
        first, second = await hook.post(), await hook.post()
        assert first.json() == second.json()
        assert (await hook.post(b'{"orderId":"ORD-9921","amount":750.00}')).json() != first.json()

    async def test_after_a_day_it_is_a_new_one(self, app: Running, client: httpx.AsyncClient, hook: Hook) -> None:
        headers = signed(hook.secret) | {"X-ProvenanceOne-Delivery": "d-1"}
        first = await hook.post(headers=headers)
        async with app.ledger.db.housekeeping() as tx:
            aged = "UPDATE webhook_deliveries SET at = at - $1 WHERE run_id = $2"
            await tx.driver_sql(aged, (24 * 3600 * 10**9, ids.decode("run", first.json()["runId"])))
        second = await hook.post(headers=headers)
        assert second.json()["runId"] != first.json()["runId"]
        assert (await hook.post(headers=headers)).json() == second.json()

    async def test_what_failed_leaves_the_delivery_free(self, client: httpx.AsyncClient, make_hook: MakeHook) -> None:
        schema = {"type": "object", "required": ["orderId"]}
        hook = await make_hook(inputSchema=schema)
        named = {"X-ProvenanceOne-Delivery": "d-1"}
        assert code_of(await hook.post(b"{}", headers=signed(hook.secret, b"{}") | named)) == (400, "invalid_input")
        assert (await hook.post(headers=signed(hook.secret) | named)).status_code == 201


class TestSwitch:
    async def test_off_on_and_unpublished(self, client: httpx.AsyncClient, hook: Hook) -> None:
        path = f"/workflows/{hook.workflow_id}"
        shown = (await client.get(path)).json()["triggerSettings"]["webhook"]
        assert (shown["enabled"], shown["secretSet"]) == (True, True)
        assert shown["url"].endswith(f"/webhooks/{hook.workflow_id}")
        await client.put(path, json={"triggerSettings": {"webhook": {"enabled": False}}})
        await self.until(hook, (409, "trigger_off"))
        await client.put(path, json={"triggerSettings": {"webhook": {"enabled": True}}})
        await self.until(hook, None)
        await client.post(f"{path}/unpublish")
        await self.until(hook, (404, "workflow_not_deployed"))

    @staticmethod
    async def until(hook: Hook, expected: tuple[int, str] | None) -> None:
        """Post until it is answered as expected: what is live is known a second late at most."""
        async with asyncio.timeout(30):
            while True:
                answer = await hook.post()
                if (answer.status_code == 201) if expected is None else answer.status_code == expected[0]:
                    assert expected is None or code_of(answer) == expected
                    return
                await asyncio.sleep(0.05)

    async def test_a_workflow_without_a_webhook_has_no_address(
        self, client: httpx.AsyncClient, sender: httpx.AsyncClient
    ) -> None:
        manual = {"key": "start", "kind": "trigger", "config": {"type": "manual"}}
        path = f"/workflows/{await create(client, 'M', {'schemaVersion': 1, 'steps': [manual], 'edges': []})}"
        await client.post(f"{path}/publish", json={})
        secret = (await client.post(f"{path}/webhook-secret/rotate")).json()["secret"]
        assert code_of(await Hook(path.rpartition("/")[2], secret, sender).post()) == (409, "no_webhook")


class TestRun:
    async def test_it_reads_some_headers_and_no_credential(self, client: httpx.AsyncClient, hook: Hook) -> None:
        told = {
            "X-Shop-Topic": "orders/create",
            "X-Shop-Hmac-Sha256": "secret",
            "X-Gitlab-Token": "secret",
            "Authorization": "Bearer secret",
            "Cookie": "a=secret",
            "x-api-key": "secret",
        }
        begun = (await hook.post(headers=signed(hook.secret) | told)).json()
        output = (await client.get(f"/runs/{begun['runId']}")).json()["output"]
        headers = output["trigger"]["headers"]
        assert headers["x-shop-topic"] == "orders/create"
        assert "secret" not in str(headers)

    async def test_its_sender_is_an_integration_in_the_audit(self, client: httpx.AsyncClient, hook: Hook) -> None:
        begun = (await hook.post()).json()
        events = (await client.get(f"/audit?objectId={begun['runId']}&eventType=run.started")).json()["items"]
        assert (events[0]["actorKind"], events[0]["credential"]["kind"]) == ("integration", "hmac")
        assert events[0]["ip"] == "127.0.0.1"

    async def test_its_trigger_is_in_scope(self, client: httpx.AsyncClient, make_hook: MakeHook) -> None:
        output = {"topic": "{{ trigger.headers['x-shop-topic'] }}", "type": "{{ trigger.type }}"}
        hook = await make_hook(output=output)
        begun = (await hook.post(headers=signed(hook.secret) | {"X-Shop-Topic": "orders/create"})).json()
        run = (await client.get(f"/runs/{begun['runId']}")).json()
        assert run["output"] == {"topic": "orders/create", "type": "webhook"}


class TestRefusals:
    @pytest.fixture
    def webhooks(self, app: Running) -> Webhooks:
        found: Webhooks = app.door.framework.state.webhooks
        return found

    async def test_bad_signatures_leave_one_row_a_minute(
        self, client: httpx.AsyncClient, hook: Hook, webhooks: Webhooks
    ) -> None:
        for _ in range(3):
            await hook.post(headers=signed("another secret"))
        await webhooks.refusals.flush()
        await hook.post(headers=signed("another secret"))
        await webhooks.refusals.flush()
        [event] = (await client.get("/audit?eventType=webhook.signature_invalid")).json()["items"]
        assert (event["objectId"], event["outcome"], event["risk"]) == (hook.workflow_id, "denied", "high")
        assert (event["domain"], event["actorKind"], event["credential"]["kind"]) == ("auth", "integration", "hmac")
        assert event["ip"] == "127.0.0.1"

    async def test_strangers_leave_none(self, client: httpx.AsyncClient, hook: Hook, webhooks: Webhooks) -> None:
        await hook.sender.post(f"/webhooks/{UNKNOWN}", content=ORDER, headers=signed("another secret"))
        await webhooks.refusals.flush()
        assert (await client.get("/audit?eventType=webhook.signature_invalid")).json()["items"] == []


class TestPresets:
    """Each sender's own headers, over the whole way; what names its deliveries with it."""

    BODY = b'{"id": "evt_1", "type": "invoice.paid"}'
    SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()

    def headers(self, preset: str, body: bytes = BODY) -> dict[str, str]:
        at, key = str(int(time.time())), self.SECRET.encode()
        if preset == "github":
            value = hmac.new(key, body, "sha256").hexdigest()
            return {"X-Hub-Signature-256": f"sha256={value}", "X-GitHub-Delivery": "72d3162e", "X-GitHub-Event": "push"}
        if preset == "stripe":
            value = hmac.new(key, f"{at}.".encode() + body, "sha256").hexdigest()
            return {"Stripe-Signature": f"t={at},v1={value},v0=00"}
        mac = hmac.new(b"k" * 24, f"msg_1.{at}.".encode() + body, "sha256").digest()
        signature = "v1," + base64.b64encode(mac).decode()
        return {"webhook-id": "msg_1", "webhook-timestamp": at, "webhook-signature": signature}

    @pytest.mark.parametrize("preset", ["github", "stripe", "standard"])
    async def test_a_delivery_and_its_repeat(self, client: httpx.AsyncClient, make_hook: MakeHook, preset: str) -> None:
        hook = await make_hook({"preset": preset}, secret=self.SECRET)
        first = await hook.post(self.BODY, headers=self.headers(preset))
        assert first.status_code == 201, first.text
        assert (await hook.post(self.BODY, headers=self.headers(preset))).json() == first.json()
        assert await run_ids(client) == [first.json()["runId"]]
        assert code_of(await hook.post(self.BODY, headers=signed(hook.secret, self.BODY))) == (401, "bad_signature")
        changed = await hook.post(self.BODY + b" ", headers=self.headers(preset))
        assert code_of(changed) == (401, "bad_signature")
