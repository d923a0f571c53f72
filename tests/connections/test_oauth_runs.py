"""Runs whose steps use an authorised connection, carried by two workers, one of them a process of its own.

A token that ran out is renewed once for all of them; a refresh token that was revoked fails them with the reason, and
after a new authorisation a replay succeeds.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from provenance.core import ids
from provenance.core.actor import Role
from provenance.core.settings import Settings
from provenance.ledger.feed import Feed, registered
from provenance.ledger.service import Ledger
from provenance.notifications import tasks as notifications
from provenance.runs import tasks
from tests.conftest import Running
from tests.connections.conftest import Builder, calling
from tests.connections.outside import SECRET, Outside
from tests.identity.people import as_person
from tests.runs.published import definition
from tests.secrets.canaries import events

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20
SLOTS = 40
"""Of each worker: fifty runs at once take both of them."""
STALE = "UPDATE connections SET expires_at = 1 WHERE id = $1"

Run = dict[str, Any]


@pytest.fixture(scope="module")
async def workers(app: Running, settings: Settings, world: Outside, tmp_path_factory: Any) -> AsyncIterator[None]:
    """Two workers that may call the loopback: one here with a ledger of its own, one in its own process."""
    here = calling(settings, world).model_copy(update={"run_slots": SLOTS})
    assert here.database_url is not None
    async with _process(here, tmp_path_factory.mktemp("worker")):
        ledger, stop = Ledger(here, here.database_url), asyncio.Event()
        ledger.use(app.ledger.keyring)
        working = asyncio.create_task(tasks.run(ledger, stop))
        yield
        stop.set()
        await working
        await ledger.stop()


@asynccontextmanager
async def _process(settings: Settings, folder: Path) -> AsyncIterator[None]:
    with (folder / "log").open("wb") as log:
        command = (sys.executable, "-m", "tests.connections.worker_process", str(folder / "working"))
        given = os.environ | _environment(settings)
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=log, stderr=log, env=given)
    try:
        async with asyncio.timeout(PATIENCE):
            while not (folder / "working").exists():
                assert process.returncode is None, (folder / "log").read_text()
                await asyncio.sleep(0.02)
        yield
        process.terminate()
        assert await process.wait() == 0, (folder / "log").read_text()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _environment(settings: Settings) -> dict[str, str]:
    """Write down what the process needs of the settings."""
    clients = {
        name: {**known.model_dump(exclude_none=True), "client_secret": SECRET}
        for name, known in settings.integrations.items()
    }
    given = {
        "DATABASE_URL": settings.database_url,
        "DATA_DIR": str(settings.data_dir),
        "MIN_FREE_BYTES": "0",
        "RUN_SLOTS": str(settings.run_slots),
        "EGRESS_ALLOW": msgspec.json.encode(settings.egress_allow).decode(),
        "INTEGRATIONS": msgspec.json.encode(clients).decode(),
    }
    return {f"PROVENANCE_{name}": str(value) for name, value in given.items()}


@contextmanager
def held(outside: Outside) -> Iterator[None]:
    """Let the provider keep whoever asks for tokens waiting."""
    outside.gate.clear()
    try:
        yield
    finally:
        outside.gate.set()


class Story:
    """A workflow of one step that posts to a channel through an authorised connection, and its runs."""

    def __init__(self, builder: Builder, outside: Outside, connection_id: str) -> None:
        self.builder, self.outside, self.connection_id = builder, outside, connection_id
        self.workflow_id = ""

    async def publish(self) -> None:
        config = {"target": "connection", "connectionId": self.connection_id, "url": "chat.postMessage"}
        step = {"key": "tell", "kind": "action", "config": {**config, "honoursIdempotencyKey": True}}
        body = {"name": "Tell the channel", "definition": definition({**step, "input": {"text": "It is paid."}})}
        made = await self.builder.web.post("/workflows", json=body)
        assert made.status_code == 201, made.text
        self.workflow_id = made.json()["workflowId"]
        answer = await self.builder.web.post(f"/workflows/{self.workflow_id}/publish", json={})
        assert answer.status_code == 200, answer.text

    async def expire(self) -> None:
        """Let the access token run out: the service does not take it any more either."""
        self.outside.tokens.clear()
        await self.builder.sql(STALE, self.connection_id)
        self.outside.calls.clear()

    async def start(self, count: int = 1) -> list[str]:
        body = {"workflowId": self.workflow_id}
        answers = await asyncio.gather(*[self.builder.web.post("/runs", json=body) for _ in range(count)])
        assert {answer.status_code for answer in answers} == {201}
        return [answer.json()["runId"] for answer in answers]

    async def ended(self, run_ids: list[str]) -> list[Run]:
        """Wait until runs have ended, and return them."""
        async with asyncio.timeout(PATIENCE):
            while (await self.count("state <> 'ended'"))[0]:
                await asyncio.sleep(0.02)
        answers = await asyncio.gather(*[self.builder.web.get(f"/runs/{run_id}") for run_id in run_ids])
        return [answer.json() for answer in answers]

    async def count(self, condition: str) -> tuple[int, int]:
        """Return how many runs of the workflow there are so, and how many workers hold them."""
        which = f"FROM runs WHERE workflow_id = $1 AND {condition}"
        sql = f"SELECT count(*) AS found, count(DISTINCT owner) AS workers {which}"
        async with self.builder.app.ledger.db.housekeeping() as tx:
            row = (await tx.driver_sql(sql, (ids.decode("wf", self.workflow_id),))).one()
        return row.found, row.workers

    async def all_at_work(self, count: int) -> None:
        """Wait until so many runs have begun their step, in the hands of both workers."""
        begun = "EXISTS (SELECT 1 FROM run_steps s WHERE s.run_id = runs.id AND s.kind = 'action')"
        async with asyncio.timeout(PATIENCE):
            while await self.count(f"state = 'running' AND {begun}") != (count, 2):
                await asyncio.sleep(0.02)

    @property
    def renewals(self) -> list[str]:
        """The refresh tokens that were sent to the provider."""
        return [form["refresh_token"] for form in self.outside.asked("/slack/token") if "refresh_token" in form]

    @property
    def carried(self) -> list[str]:
        """What the calls of the steps carried."""
        return [headers["authorization"] for _, at, headers, _ in self.outside.calls if at == "/slack/chat.postMessage"]

    async def recorded(self) -> list[str]:
        """What is recorded of the connection, but its uses."""
        found = await events(self.builder.app, self.builder.workspace, "connection")
        return [event.partition(".")[2] for event, _, _ in found if event != "connection.accessed"]


@pytest.fixture
async def story(builder: Builder, outside: Outside, workers: None) -> Story:
    """The workflow, with a connection that was authorised at the provider."""
    made = Story(builder, outside, await builder.connected("slack"))
    await made.publish()
    return made


@pytest.fixture
async def inbox(builder: Builder) -> AsyncIterator[httpx.AsyncClient]:
    """An administrator whose inbox is told of connections with an error, and the worker's feed that tells it."""
    app, stop = builder.app, asyncio.Event()
    handlers = [each for each in registered if each.name == f"{notifications.__name__}.note.connection.error"]
    assert len(handlers) == 1
    async with app.ledger.db.housekeeping() as tx:  # begins now: what other tests did is not told here
        await tx.driver_sql("DELETE FROM feed_cursors WHERE handler = $1", (handlers[0].name,))
    async with await as_person(app, builder.workspace, Role.ADMIN) as admin:
        channel = {"enabled": True, "to": [{"kind": "user", "id": admin.id}]}
        rules = [{"event": "connection.error", "channels": ["inApp"]}]
        answer = await admin.put("/workspace/notifications", json={"channels": {"inApp": channel}, "rules": rules})
        assert answer.status_code == 200, answer.text
        feed = asyncio.create_task(Feed(app.ledger.db, app.ledger.catalogues, app.ledger.hints, handlers).run(stop))
        async with asyncio.timeout(PATIENCE):
            while not await _begun(app, handlers[0].name):
                await asyncio.sleep(0.02)
        yield admin
        stop.set()
        await feed


async def _begun(app: Running, handler: str) -> bool:
    async with app.ledger.db.housekeeping() as tx:
        sql = "SELECT count(*) FROM feed_cursors WHERE handler = $1"
        return bool((await tx.driver_sql(sql, (handler,))).scalar_one())


class TestExpired:
    async def test_fifty_steps_of_two_processes_renew_it_once(self, story: Story) -> None:
        await story.expire()
        with held(story.outside):
            run_ids = await story.start(50)
            await story.all_at_work(50)
        runs = await story.ended(run_ids)
        assert {run["status"] for run in runs} == {"completed"}
        assert {run["output"]["body"]["ok"] for run in runs} == {True}
        [token] = story.outside.tokens
        assert (len(story.renewals), story.carried) == (1, [f"Bearer {token}"] * 50)
        assert await story.recorded() == ["created", "authorized"]

    async def test_each_renewal_sends_the_refresh_token_of_the_one_before(self, story: Story) -> None:
        sent = []
        for _ in range(3):
            await story.expire()
            [newest] = [token for token, good in list(story.outside.refresh_tokens.items())[-1:] if good]
            [run] = await story.ended(await story.start())
            assert run["status"] == "completed"
            assert story.renewals == [newest]
            sent.append(newest)
        assert len(set(sent)) == 3


class TestPaused:
    async def test_it_fails_runs_with_that_and_nobody_is_asked(self, story: Story) -> None:
        await story.expire()
        answer = await story.builder.web.patch(f"/connections/{story.connection_id}", json={"status": "paused"})
        assert answer.status_code == 200
        [run] = await story.ended(await story.start())
        assert (run["status"], run["error"]["code"]) == ("failed", "connection_paused")
        assert story.outside.calls == []


class TestRevoked:
    async def test_runs_fail_with_the_reason_until_it_is_authorised_again(
        self, story: Story, inbox: httpx.AsyncClient
    ) -> None:
        builder, outside = story.builder, story.outside
        await story.expire()
        outside.refresh_tokens.clear()
        with held(outside):
            run_ids = await story.start(50)
            await story.all_at_work(50)
        runs = [*await story.ended(run_ids), *await story.ended(await story.start())]
        connection = await builder.get(story.connection_id)
        assert (connection["status"], "invalid_grant" in connection["lastError"]) == ("error", True)
        said = f"The connection {connection['name']} has an error: {connection['lastError']}"
        assert {run["status"] for run in runs} == {"failed"}
        assert {(run["error"]["code"], run["error"]["message"]) for run in runs} == {("connection_error", said)}
        assert (len(story.renewals), story.carried) == (1, [])
        steps = (await builder.web.get(f"/runs/{run_ids[0]}/steps")).json()["items"]
        assert [(step["kind"], step["attempt"]) for step in steps] == [("trigger", 1), ("action", 1)]
        assert await story.recorded() == ["created", "authorized", "error"]
        assert await self.told(inbox) == [("connection.error", story.connection_id, connection["name"])]
        back = await builder.go((await builder.begin(story.connection_id))["authorizationUrl"])
        assert back.status_code == 200
        after = await builder.get(story.connection_id)
        assert (after["status"], after["lastError"]) == ("active", None)
        again = await builder.web.post(f"/runs/{run_ids[0]}/replay", json={})
        assert again.status_code == 201, again.text
        [run] = await story.ended([again.json()["runId"]])
        assert (run["status"], run["replayOf"]) == ("completed", run_ids[0])
        [token] = outside.tokens
        assert story.carried == [f"Bearer {token}"]

    async def told(self, inbox: httpx.AsyncClient) -> list[tuple[str, str, str]]:
        async with asyncio.timeout(PATIENCE):
            while not (items := (await inbox.get("/api/notifications/inbox")).json()["items"]):
                await asyncio.sleep(0.02)
        return [(each["eventType"], each["objectId"], each["title"]) for each in items]
