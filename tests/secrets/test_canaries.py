"""Fifty secrets in every kind of step, in runs that succeed and fail: none is anywhere but sealed.

A service repeats to everybody what it was ever sent, in every form. What was answered, streamed, mailed, logged,
exported, written to files and dumped is searched for all of them.
"""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
import pytest
from pydantic import SecretStr
from websockets.asyncio.client import connect

from provenance.bus.deliveries.looping import deliver
from provenance.bus.deliveries.webhook import Webhooks
from provenance.core.actor import Role
from provenance.core.db import asyncpg_dsn
from provenance.core.egress import Egress
from provenance.core.ids import random_letters
from provenance.core.settings import Settings
from provenance.ledger.service import Ledger
from provenance.postgres import binaries
from provenance.postgres.client import client_environment
from provenance.runs import tasks as runs_tasks
from tests.conftest import Running, Tenant, make_tenant_of, running
from tests.notifications.conftest import Post
from tests.runs.published import definition, transform
from tests.secrets.flock import Flock, as_bytes, leaks
from tests.secrets.parrot import Parrot, spoken
from tests.secrets.people import signed_in
from tests.skills.packages import made

Step = dict[str, Any]
ONCE = {"maxAttempts": 1}
TELL = """
import sys
from provenance_skill import secrets
def run(input):
    known = list(secrets.values())
    for each in known:
        print("out", each, repr(each), each.encode().hex())
        print("err", each, file=sys.stderr)
    if input.get("raise"):
        raise ValueError("the secret is " + known[0])
    return {"known": known, "repr": repr(known), "bytes": [each.encode().hex() for each in known]}
"""
CALL = """
from provenance_skill import request
def run(input):
    answer = request("GET", input["url"])
    print(answer.text)
    return {"body": answer.text, "headers": answer.headers}
"""


@dataclass
class Scene:
    """An installation in use, and everything that it said."""

    app: Running
    workspace: Tenant
    client: httpx.AsyncClient
    admin: httpx.AsyncClient
    parrot: Parrot
    post: Post
    flock: Flock = field(default_factory=Flock)
    open_word: str = field(default_factory=lambda: f"Offen{random_letters(18)}")
    said: dict[str, bytes] = field(default_factory=dict)

    async def ask(self, method: str, path: str, *, by: httpx.AsyncClient | None = None, **more: Any) -> httpx.Response:
        """Call, and keep every byte of the answer."""
        answer = await (by or self.client).request(method, path, **more)
        self.said[f"answer {len(self.said)} of {method} {path}"] = repr(answer.headers).encode() + answer.content
        return answer

    async def post_json(self, path: str, body: Any, *, expect: int = 201, **more: Any) -> Any:
        answer = await self.ask("POST", path, json=body, **more)
        assert answer.status_code == expect, answer.text
        return answer.json()

    async def secret(self, type_: str = "token") -> str:
        """Keep one more secret; return its name."""
        value: Any = self.flock.hatch()
        name = f"s{len(self.flock.secrets)}"
        value = {"user": "ops", "deep": [value]} if type_ == "json" else value
        await self.post_json("/secrets", {"name": name, "type": type_, "value": value})
        return name

    async def connection(self, path: str = "/ok", *, config: Any = None, **credential: str) -> str:
        """Make a connection to the parrot."""
        settings = {"baseUrl": self.parrot.url + path, **(config or {})}
        body = {"name": f"c{len(self.said)}", "integration": "http", "authType": "api_key", "config": settings}
        credential = credential or {"apiKey": self.flock.hatch()}
        found = await self.post_json("/connections", {**body, "credential": credential})
        return str(found["connectionId"])

    async def publish(self, document: Step) -> str:
        body = {"name": f"w{len(self.said)}", "definition": document}
        workflow_id: str = (await self.post_json("/workflows", body))["workflowId"]
        await self.post_json(f"/workflows/{workflow_id}/publish", {}, expect=200)
        return workflow_id

    async def start(self, workflow_id: str, **given: Any) -> str:
        given = {"n": 3, "open": self.open_word, **given}
        found = await self.post_json("/runs", {"workflowId": workflow_id, "input": given})
        return str(found["runId"])

    async def until(self, run_id: str, *statuses: str) -> Step:
        wanted = statuses or ("completed", "failed", "cancelled", "timed_out")
        async with asyncio.timeout(150):
            while True:
                run: Step = (await self.client.get(f"/runs/{run_id}")).json()
                if run["status"] in wanted:
                    return run
                await asyncio.sleep(0.05)

    def http(self, key: str, path: str = "/ok", kind: str = "data", **config: Any) -> Step:
        """A step that calls the parrot over HTTP."""
        way = {"source": "http"} if kind == "data" else {"target": "http", "honoursIdempotencyKey": True}
        whole = {**way, "url": f"{self.parrot.url}{path}/{key}", **config}
        return {"key": key, "kind": kind, "config": whole, "retry": ONCE}


@asynccontextmanager
async def working(app: Running) -> AsyncIterator[None]:
    """Carry runs on and deliver messages, as a worker of its own would."""
    ledger = Ledger(app.ledger.settings, app.ledger.db.url)
    ledger.use(app.ledger.keyring)
    stop, egress = asyncio.Event(), Egress(["127.0.0.1"])
    work = [
        asyncio.create_task(runs_tasks.run(ledger, stop)),
        asyncio.create_task(deliver(ledger, "webhook", Webhooks(ledger, egress), stop)),
    ]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*work)
        await egress.close()
        await ledger.stop()


@pytest.fixture
async def scene(settings: Settings, app: Running) -> AsyncIterator[Scene]:
    """A server that may call the loopback and send mails, and a worker."""
    parrot, post = Parrot(), Post()
    await parrot.start()
    await post.start()
    more: dict[str, Any] = {"egress_allow": ["127.0.0.1"], "smtp_url": SecretStr(post.url)}
    async with AsyncExitStack() as opened:
        here = await opened.enter_async_context(running(settings.model_copy(update=more)))
        await opened.enter_async_context(working(here))
        workspace = await make_tenant_of(here.ledger)
        key, person = {"x-api-key": workspace.key}, await signed_in(here, workspace, Role.ADMIN)
        clients = [
            await opened.enter_async_context(httpx.AsyncClient(base_url=here.url, headers=headers, timeout=60))
            for headers in (key, person)
        ]
        yield Scene(here, workspace, clients[0], clients[1], parrot, post)
    await parrot.stop()
    await post.stop()


async def carrying(scene: Scene) -> list[Step]:
    """Steps that carry a secret, or work through a connection."""
    named = [await scene.secret(type_) for type_ in ("token", "password", "api_key", "generic", "json") * 6]
    header = {"secretHeader": "X-Key", "secretPrefix": "Token token="}
    signed = {"channels": ["webhook"], "title": "{{ input.open }}", "url": f"{scene.parrot.url}/ok/signed"}
    through = [
        await scene.connection(),
        await scene.connection(username=scene.flock.hatch(), password=scene.flock.hatch()),
        await scene.connection(token=scene.flock.hatch(), config=None),
        await scene.connection(config={"header": "X-Token", "prefix": ""}),
        await scene.connection(apiKey="{{secrets." + await scene.secret() + "}}"),
    ]
    return [
        *[scene.http(f"get_{at}", secretId=name) for at, name in enumerate(named[20:])],
        *[scene.http(f"head_{at}", secretId=name, **header) for at, name in enumerate(named[:8])],
        *[scene.http(f"put_{at}", kind="action", secretId=name) for at, name in enumerate(named[8:17])],
        *[{"key": f"sign_{at}", "kind": "notify", "config": {**signed, "secretId": name}}
          for at, name in enumerate(named[17:19])],
        {**scene.http("each", secretId=named[19]), "forEach": {"items": [1, 2, 3], "concurrency": 2}},
        *[{"key": f"see_{at}", "kind": "data", "config": {"source": "connection", "connectionId": used, "url": "a"}}
          for at, used in enumerate(through)],
        {"key": "do", "kind": "action", "config": {"target": "connection", "connectionId": through[0], "url": "b",
                                                   "body": {"n": "{{ steps.get_0.output.body.heard }}"}}},
    ]  # fmt: skip


async def skills(scene: Scene) -> list[Step]:
    """A skill that says every secret it is given, and one that calls through a connection."""
    refs = [await scene.secret() for _ in range(3)]
    tells = await made(scene.client, TELL, name="tells", secretRefs=refs)
    calls = await made(scene.client, CALL, name="calls", connectionId=await scene.connection())
    return [
        {"key": "tells", "kind": "skill", "config": {"skillId": tells["skillId"], "input": {}}},
        {"key": "calls", "kind": "skill", "config": {"skillId": calls["skillId"], "input": {"url": "/from-skill"}}},
    ]


async def passing_on(scene: Scene) -> list[Step]:
    """Steps that pass on what others brought: later calls, pages, values, files, children, mails, people."""
    child = await scene.publish(
        definition(
            scene.http("own", secretId=await scene.secret()),
            output={"given": "{{ input }}", "own": "{{ steps.own.output }}"},
        )
    )
    everything = {
        name: "{{ steps." + name + ".output }}"
        for name in ("get_0", "get_7", "put_0", "each", "see_0", "do", "tells", "calls", "later", "page")
    }
    text = "{{ toJson(steps.join.output) }} {{ sha256(toJson(steps.join.output)) }}"
    gate = {
        "title": "{{ toJson(steps.get_0.output.headers) }}",
        "risk": "medium",
        "payload": "{{ steps.join.output }}",
        "summary": "{{ steps.later.output.body.heard[0] }}",
        "evidence": [{"label": "it", "value": everything}],
    }
    mail = {"channels": ["email"], "to": ["ops@example.com"], "title": "{{ input.open }}", "body": text}
    hook = {"channels": ["webhook"], "title": "{{ input.open }}", "body": text, "url": f"{scene.parrot.url}/ok/hook"}
    store = {"datastoreId": "kept", "key": "out.json"}
    return [
        scene.http("later"),
        scene.http("page", "/page"),
        transform("join", everything),
        transform("measure", "{{ size(toJson(steps.join.output)) > 1000 ? steps.join.output : null }}"),
        {"key": "rest", "kind": "wait", "config": {"seconds": 0.05}},
        {"key": "write", "kind": "storage", "config": {"op": "write", **store, "value": "{{ steps.join.output }}"}},
        {"key": "read", "kind": "storage", "config": {"op": "read", **store}},
        {"key": "child", "kind": "workflow", "config": {"workflowId": child, "input": "{{ steps.join.output }}"}},
        {"key": "mail", "kind": "notify", "config": mail},
        {"key": "hook", "kind": "notify", "config": hook},
        {"key": "gate", "kind": "approval", "config": gate},
    ]  # fmt: skip


async def failing(scene: Scene) -> list[list[Step]]:
    """Workflows that fail, each in its own way, over a secret."""
    name, connected = await scene.secret(), await scene.connection("/no/500")
    tells = await made(scene.client, TELL, name="raises", secretRefs=[await scene.secret()])
    paused = await scene.connection()
    await scene.ask("PATCH", f"/connections/{paused}", json={"status": "paused"})
    slack = {"channels": ["slack"], "title": "t", "slackChannel": "#a", "connectionId": await scene.connection()}
    hook = {"channels": ["webhook"], "title": "t", "url": f"{scene.parrot.url}/no/500/hook", "secretId": name}
    away = {"source": "http", "url": "http://127.0.0.1:9/", "secretId": name}
    sentence = "steps.get.output.body.last[0].sentence"
    return [
        [{**scene.http("get", "/no/503", secretId=name), "retry": {"maxAttempts": 2, "initialSeconds": 0.05}}],
        [scene.http("get", "/no/404", secretId=await scene.secret())],
        [scene.http("put", "/no/422", "action", secretId=await scene.secret())],
        [{**scene.http("get", "/no/500", secretId=name), "forEach": {"items": [1, 2], "onItemError": "collect"}},
         transform("fail", "{{ int(steps.get.output[0].error.message) }}")],
        [{"key": "hook", "kind": "notify", "config": hook}],
        [{"key": "slack", "kind": "notify", "config": slack}],
        [{"key": "away", "kind": "data", "config": away, "retry": ONCE}],
        [{"key": "see", "kind": "data", "config": {"source": "connection", "connectionId": connected, "url": "a"},
          "retry": ONCE}],
        [{"key": "see", "kind": "data", "config": {"source": "connection", "connectionId": paused, "url": "a"}}],
        [{"key": "see", "kind": "data", "config": {"source": "connection", "connectionId": connected,
                                                   "url": "https://elsewhere.example/"}}],
        [{"key": "tells", "kind": "skill", "config": {"skillId": tells["skillId"], "input": {"raise": True}}}],
        [scene.http("get", secretId=name), transform("cast", "{{ int(" + sentence + ") }}")],
        [scene.http("get", secretId=name),
         {"key": "read", "kind": "storage", "config": {"op": "read", "datastoreId": "kept", "key": "{{ "
                                                       + sentence + " }}"}}],
    ]  # fmt: skip


async def bus(scene: Scene, payload: Any) -> None:
    """Messages that hold what a run brought, pushed with secrets to targets that repeat them, well and badly."""
    for path, header in (("/ok/bus", "open"), ("/no/500/bus", scene.flock.hatch())):
        target = {"kind": "webhook", "url": scene.parrot.url + path, "secretId": await scene.secret(),
                  "headers": {"X-Token": header}}  # fmt: skip
        body = {"name": path, "topicPattern": "#", "target": target, "delivery": {"maxAttempts": 1}}
        await scene.post_json("/bus/subscriptions", body)
    await scene.post_json("/bus/messages", {"topic": "outputs", "payload": payload})
    async with asyncio.timeout(150):
        while not (scene.parrot.calls["/ok/bus"] and scene.parrot.calls["/no/500/bus"]):
            await asyncio.sleep(0.05)


async def read(scene: Scene, run_ids: list[str]) -> None:
    """Ask for everything that a key and an administrator can read, and for every export."""
    for run_id in run_ids:
        await scene.ask("GET", f"/runs/{run_id}")
        await scene.ask("GET", f"/runs/{run_id}/steps", params={"limit": 200})
    document = (await scene.client.get("/docs/openapi.json")).json()
    for path in sorted(path for path, methods in document["paths"].items() if "get" in methods and "{" not in path):
        if path not in ("/events", "/api/export"):
            await scene.ask("GET", path, by=scene.admin)
    for form in ("ndjson", "csv"):
        answer = await scene.ask("POST", "/audit/export", by=scene.admin, json={"format": form})
        assert answer.status_code == 200, answer.text
    for form in ("ndjson", "csv", "cloudevents", "ocsf", "prov", "in-toto"):
        await scene.ask("GET", "/api/export", by=scene.admin, params={"format": form})
    uow = (await scene.client.get(f"/runs/{run_ids[0]}")).json()["uowId"]
    answer = await scene.ask("POST", "/api/evidence", by=scene.admin, json={"filters": {"uowId": uow}})
    if answer.status_code in (200, 201):
        await scene.ask("GET", f"/api/evidence/{answer.json()['id']}/download", by=scene.admin)


async def frames(scene: Scene, stop: asyncio.Event) -> None:
    """Listen to the live updates from the first one on until told to stop."""
    address = str(scene.client.base_url).replace("http", "ws") + "/ws"
    async with connect(address, additional_headers={"x-api-key": scene.workspace.key}, compression=None) as socket:
        await socket.send(
            '{"action": "subscribe", "id": 1, "channels": ["interactions", "audit", "runs", "approvals"]}'
        )
        heard = []
        while not stop.is_set():
            try:
                async with asyncio.timeout(0.2):
                    heard.append(str(await socket.recv()))
            except TimeoutError:
                pass
    scene.said["the WebSocket"] = "\n".join(heard).encode()


async def stored(scene: Scene) -> None:
    """Read the tables as they are, a dump of them, every file of the data folder, the mails and the logs."""
    connection = await asyncpg.connect(asyncpg_dsn(scene.app.ledger.db.url))
    try:
        for (table,) in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            rows = await connection.fetch(f'SELECT * FROM "{table}"')
            scene.said[f"table {table}"] = b"\n".join(as_bytes(value) for row in rows for value in row.values())
    finally:
        await connection.close()
    dump = await asyncio.to_thread(
        subprocess.run,
        [binaries().program("pg_dump")],
        env=client_environment(scene.app.ledger.db.url),
        capture_output=True,
    )
    assert dump.returncode == 0, dump.stderr
    scene.said["a dump"] = dump.stdout
    for path in (scene.app.ledger.settings.data_dir).rglob("*"):
        if path.is_file():
            scene.said[f"file {path}"] = path.read_bytes()
    scene.said["mails"] = "\n".join(str(mail) + str(mail.get_content()) for mail in scene.post.mails).encode()


@pytest.mark.timeout(240)
async def test_none_is_anywhere_but_sealed(
    scene: Scene, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    stop = asyncio.Event()
    listening = asyncio.create_task(frames(scene, stop))
    steps = [*await carrying(scene), *await skills(scene), *await passing_on(scene)]
    whole = await scene.publish(definition(*steps, output={"all": "{{ steps.join.output }}"}))
    run_id = await scene.start(whole)
    badly = [await scene.start(await scene.publish(definition(*each))) for each in await failing(scene)]
    waiting = await scene.until(run_id, "approval", "failed")
    assert waiting["status"] == "approval", await scene.client.get(f"/runs/{run_id}/steps?limit=200")
    [approval] = (await scene.ask("GET", "/approvals", by=scene.admin, params={"runId": run_id})).json()["items"]
    path = f"/approvals/{approval['approvalId']}"
    found = (await scene.ask("GET", path, by=scene.admin)).json()
    edited = {"payload": {**found["payload"], "edited": True}}
    await scene.ask("PATCH", path, by=scene.admin, json=edited)
    await scene.post_json(f"{path}/approve", {"comment": scene.open_word}, expect=200, by=scene.admin)
    run = await scene.until(run_id)
    assert run["status"] == "completed", run
    ends = [await scene.until(each, "failed", "completed", "approval") for each in badly]
    assert {end["status"] for end in ends} == {"failed", "approval"}, [(end["status"], end["error"]) for end in ends]
    await bus(scene, run["output"])
    await read(scene, [run_id, *badly])
    stop.set()
    await listening
    await stored(scene)
    scene.said["logs"] = "".join([*capfd.readouterr(), caplog.text]).encode()
    assert len(scene.flock.secrets) >= 50
    assert len([each for each in scene.parrot.heard if scene.flock.word in each]) >= 30, "they were in use"
    assert leaks(scene.flock, scene.said) == []
    assert run_id.encode() in scene.said["the WebSocket"]
    openly = [where for where, data in scene.said.items() if scene.open_word.encode() in data]
    for place in ("a dump", "mails", "answer"):
        assert any(where.startswith(place) for where in openly), f"what is no secret is found in {place}"


class TestTheSearch:
    """A search that finds nothing proves nothing, unless it finds what is there."""

    def test_finds_every_form(self) -> None:
        flock = Flock()
        for secret in [flock.hatch() for _ in range(16)]:
            for name, form in spoken(secret).items():
                assert form is None or flock.found_in("x", as_bytes(form) + name.encode()), (name, form)
