"""Steps that use a connection or a secret, and steps that tell people: what is carried is never shown."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import msgspec
import pytest
from pydantic import SecretStr

from provenance.core.settings import Settings
from provenance.ledger.service import Ledger
from provenance.runs import tasks
from tests.conftest import Running
from tests.notifications.conftest import Post
from tests.runs.published import definition
from tests.runs.target import Target
from tests.runs.test_routes import Publish, ended, publish

__all__ = ["publish"]
VALUE = "Kanari-9f-Zq8L-not-to-be-seen"

Carried = Callable[..., Awaitable[tuple[dict[str, Any], list[dict[str, Any]]]]]


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    """A mail server."""
    made = Post()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def worker(app: Running, settings: Settings, post: Post) -> AsyncIterator[None]:
    """A worker that may call the loopback and has a mail server."""
    assert settings.database_url is not None
    here = settings.model_copy(update={"egress_allow": ["127.0.0.1"], "smtp_url": SecretStr(post.url)})
    ledger = Ledger(here, settings.database_url)
    ledger.use(app.ledger.keyring)
    stop = asyncio.Event()
    running = asyncio.create_task(tasks.run(ledger, stop))
    yield
    stop.set()
    await running
    await ledger.stop()


@pytest.fixture
def carried(client: httpx.AsyncClient, publish: Publish, worker: None) -> Carried:
    """Publish a workflow of one step, run it to its end, and return the run and its steps: none says the value."""

    async def carry(kind: str, config: dict[str, Any], **more: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        document = definition({"key": "tell", "kind": kind, "config": config, "retry": {"maxAttempts": 1}, **more})
        workflow_id = await publish(document)
        begun = (await client.post("/runs", json={"workflowId": workflow_id, "input": {"n": 3}})).json()
        run = await ended(client, begun["runId"])
        steps = await client.get(f"/runs/{begun['runId']}/steps")
        audit = await client.get("/audit?limit=200")
        for answer in (steps, audit):
            assert VALUE not in answer.text
        assert VALUE not in str(run)
        return run, steps.json()["items"]

    return carry


async def secret(client: httpx.AsyncClient) -> str:
    answer = await client.post("/secrets", json={"name": "TELL_KEY", "type": "token", "value": VALUE})
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["secretId"]
    return found


async def connection(client: httpx.AsyncClient, base_url: str) -> str:
    body = {"name": "There", "integration": "http", "authType": "api_key", "config": {"baseUrl": base_url}}
    answer = await client.post("/connections", json={**body, "credential": {"apiKey": VALUE}})
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["connectionId"]
    return found


def code_of(run: dict[str, Any]) -> tuple[str, str | None]:
    return run["status"], run["error"] and run["error"]["code"]


class TestRequests:
    async def test_a_secret_is_a_bearer_token_and_taken_out_of_the_answer(
        self, client: httpx.AsyncClient, target: Target, carried: Carried
    ) -> None:
        target.says = {"echo": f"you said Bearer {VALUE}"}
        config = {"source": "http", "url": f"{target.url}/a", "secretId": await secret(client)}
        run, _ = await carried("data", config)
        assert target.calls[0].headers["Authorization"] == f"Bearer {VALUE}"
        assert (run["status"], run["output"]["body"]["echo"]) == ("completed", "you said Bearer ***")
        events = (await client.get("/audit?eventType=secret.accessed")).json()["items"]
        assert [event["detail"]["purpose"] for event in events] == ["workflow"]

    async def test_a_secret_under_another_header_and_one_that_is_not_there(
        self, client: httpx.AsyncClient, target: Target, carried: Carried
    ) -> None:
        config = {"target": "http", "url": f"{target.url}/a", "honoursIdempotencyKey": True, "secretHeader": "X-Key"}
        run, _ = await carried("action", {**config, "secretId": await secret(client)})
        assert (run["status"], target.calls[0].headers["X-Key"]) == ("completed", VALUE)

    async def test_a_connection_brings_its_address_and_its_credential(
        self, client: httpx.AsyncClient, target: Target, carried: Carried
    ) -> None:
        used = await connection(client, f"{target.url}/base")
        config = {"target": "connection", "connectionId": used, "url": "orders", "honoursIdempotencyKey": True}
        run, _ = await carried("action", config, input={"n": "{{ input.n }}"})
        assert (run["status"], target.calls[0].path, target.bodies[0]) == ("completed", "/base/orders", '{"n":3}')
        assert VALUE in str(target.calls[0].headers)
        assert list(target.done) == [f"{run['runId']}:tell:0"]

    async def test_a_paused_connection_and_a_foreign_host_fail_the_step(
        self, client: httpx.AsyncClient, target: Target, carried: Carried
    ) -> None:
        used = await connection(client, target.url)
        config = {"source": "connection", "connectionId": used, "url": "https://elsewhere.example/"}
        run, _ = await carried("data", config)
        assert code_of(run) == ("failed", "host_not_allowed")
        assert target.calls == []


class TestNotify:
    async def test_a_mail_and_a_signed_webhook(
        self, client: httpx.AsyncClient, target: Target, post: Post, carried: Carried
    ) -> None:
        config = {
            "channels": ["email", "webhook"],
            "to": ["ops@example.com"],
            "title": "Order {{ input.n }}",
            "body": "It is paid.",
            "url": f"{target.url}/hook",
            "secretId": await secret(client),
        }
        run, [_, step] = await carried("notify", config)
        assert run["status"] == "completed", run
        assert [told["channel"] for told in step["output"]["told"]] == ["email", "webhook"]
        [mail] = post.mails
        assert (mail["Subject"], post.envelopes[0]) == ("Order 3", ["ops@example.com"])
        assert "It is paid." in mail.get_content()
        headers, raw = target.calls[0].headers, target.bodies[0]
        signed = f"{headers['x-provenanceone-timestamp']}.{raw}".encode()
        assert headers["x-provenanceone-signature"] == hmac.digest(VALUE.encode(), signed, "sha256").hex()
        assert headers["x-provenanceone-delivery"] == f"{run['runId']}:tell:0"
        assert {"title": "Order 3", "runId": run["runId"]}.items() <= msgspec.json.decode(raw).items()

    async def test_a_channel_of_slack_through_a_connection(
        self, client: httpx.AsyncClient, target: Target, carried: Carried
    ) -> None:
        target.says = {"ok": True}
        used = await connection(client, f"{target.url}/api")
        config = {"channels": ["slack"], "title": "Done", "slackChannel": "#ops", "connectionId": used}
        run, _ = await carried("notify", config)
        assert run["status"] == "completed", run
        assert target.calls[0].path == "/api/chat.postMessage"
        assert msgspec.json.decode(target.bodies[0]) == {"channel": "#ops", "text": "Done"}

    async def test_what_was_told_before_a_failure_is_said(
        self, client: httpx.AsyncClient, target: Target, post: Post, carried: Carried
    ) -> None:
        target.failures.append(404)
        config = {"channels": ["email", "webhook"], "to": ["a@example.com"], "title": "x", "url": f"{target.url}/"}
        run, [_, step] = await carried("notify", config)
        assert code_of(run) == ("failed", "refused_by_target")
        assert (step["error"]["channel"], len(step["error"]["told"]), len(post.mails)) == ("webhook", 1, 1)

    async def test_a_mail_server_that_takes_nothing_and_an_address_that_is_none(
        self, target: Target, post: Post, carried: Carried
    ) -> None:
        post.fault = lambda word: b"554 no\r\n" if word == "RCPT" else None
        run, _ = await carried("notify", {"channels": ["email"], "to": ["a@example.com"], "title": "x"})
        assert code_of(run) == ("failed", "mail_refused")
