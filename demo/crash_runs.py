"""The runs of the crash demo: what they do, who starts them, who approves them, and what must be true in the end."""

import asyncio
import json
import uuid
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import aiohttp
import asyncpg

from demo.crash_site import Site
from demo.crash_target import Target
from provenance.core import ids

STARTERS = 8
START_SECONDS = 25.0
STEPS = 10
EFFECTS = 3
_RETRY = {"maxAttempts": 6, "initialSeconds": 0.05, "maxSeconds": 0.5}


def definition(target: Target) -> dict[str, Any]:
    """A workflow with every kind of transition: pure, read, effect, pause, retry, items, people."""

    def action(key: str, **more: Any) -> dict[str, Any]:
        config = {"target": "http", "url": f"{target.url}/{key}", "honoursIdempotencyKey": True}
        return {"key": key, "kind": "action", "config": config, "timeoutSeconds": 1, "retry": _RETRY, **more}

    steps = [
        {"key": "start", "kind": "trigger", "config": {"type": "manual"}},
        {"key": "first", "kind": "logic", "config": {"mode": "transform", "transform": {"n": "{{ input.n }}"}}},
        action("pay"),
        {"key": "rest", "kind": "wait", "config": {"seconds": 0.2}},
        action("ship", forEach={"items": [1, 2], "concurrency": 2}),
        {"key": "look", "kind": "data", "config": {"source": "http", "url": f"{target.url}/look"}, "retry": _RETRY},
        {"key": "gate", "kind": "approval", "config": {"title": "Go on?", "risk": "medium"}},
        {"key": "last", "kind": "logic", "config": {"mode": "transform", "transform": "{{ steps.first.output.n }}"}},
    ]
    keys = [step["key"] for step in steps]
    edges = [{"from": source, "to": target} for source, target in pairwise(keys)]
    return {"schemaVersion": 1, "steps": steps, "edges": edges}


class People:
    """Whoever starts runs and approves them, over HTTP, and asks again until there is an answer."""

    def __init__(self, place: Site) -> None:
        self._url = f"http://127.0.0.1:{place.port}"
        self._first = json.loads((place.data / "credentials.json").read_text())
        self._session: aiohttp.ClientSession | None = None
        self.workspace_id = uuid.UUID(int=0)
        self.unanswered = 0
        self.approved = 0

    async def sign_in(self) -> None:
        """Sign in as the first administrator."""
        self._session = aiohttp.ClientSession(self._url, timeout=aiohttp.ClientTimeout(total=5))
        body = {"email": self._first["adminEmail"], "password": self._first["adminPassword"]}
        answer = await (await self._session.post("/auth/login", json=body)).json()
        self._session.headers["Authorization"] = f"Bearer {answer['accessToken']}"
        found = ids.decode("ws", answer["workspace"]["workspaceId"])
        assert found is not None
        self.workspace_id = found

    async def leave(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def publish(self, document: dict[str, Any]) -> str:
        """Publish the workflow; return its id."""
        made = await self._ask("POST", "/workflows", {"name": "Crash", "definition": document})
        workflow_id: str = made["workflowId"]
        await self._ask("POST", f"/workflows/{workflow_id}/publish", {})
        return workflow_id

    async def start(self, workflow_id: str, count: int) -> None:
        """Start so many runs, a few at a time, spread over the accidents.

        Each has a key, under which it is sent again until it is answered. A conflict says that an earlier attempt was
        committed, though its answer was lost.
        """
        numbers = iter(range(count))

        async def one_after_another() -> None:
            for number in numbers:
                body = {"workflowId": workflow_id, "input": {"n": number}}
                await self._ask("POST", "/runs", body, key=f"run-{number}")
                await asyncio.sleep(START_SECONDS * STARTERS / count)

        await asyncio.gather(*[one_after_another() for _ in range(STARTERS)])

    async def approve(self) -> None:
        """Approve whatever waits for people, until cancelled."""
        while True:
            waiting = await self._ask("GET", "/approvals?status=pending&limit=200")
            for each in waiting["items"]:
                await self._ask("POST", f"/approvals/{each['approvalId']}/approve", {"comment": "Go on."})
                self.approved += 1
            await asyncio.sleep(0.1)

    async def _ask(self, method: str, path: str, body: Any = None, key: str | None = None) -> Any:
        assert self._session is not None, "signed in before"
        headers = {} if key is None else {"Idempotency-Key": key}
        while True:
            try:
                async with self._session.request(method, path, json=body, headers=headers) as answer:
                    if answer.status < 300 or answer.status == 409:
                        return await answer.json()
                    if answer.status < 500 and answer.status != 429:
                        raise SystemExit(f"{method} {path}: {answer.status} {await answer.text()}")
            except (aiohttp.ClientError, TimeoutError):
                pass
            self.unanswered += 1
            await asyncio.sleep(0.1)


@dataclass
class Findings:
    """What is in the database when all is done."""

    statuses: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    wrong: list[str] = field(default_factory=list)
    doubled: int = 0
    missing: int = 0
    resumed: int = 0
    late: int = 0
    rows: int = 0
    gaps: int = 0


async def unfinished(dsn: str, workspace_id: uuid.UUID) -> int:
    """Return how many runs have not ended."""
    connection = await asyncpg.connect(dsn)
    try:
        left: int = await connection.fetchval(
            "SELECT count(*) FROM runs WHERE workspace_id = $1 AND state <> 'ended'", workspace_id
        )
        return left
    finally:
        await connection.close()


async def inspect(dsn: str, workspace_id: uuid.UUID, count: int) -> Findings:
    """Compare what is stored with what so many runs must have left."""
    found = Findings()
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "SELECT id, status, input, output, error FROM runs WHERE workspace_id = $1", workspace_id
        )
        acts = await _acts(connection, workspace_id)
        numbers = "SELECT count(*), coalesce(max(number), 0) FROM interactions WHERE workspace_id = $1"
        found.rows, last = await connection.fetchrow(numbers, workspace_id)
        found.gaps = last - found.rows
    finally:
        await connection.close()
    found.lost = count - len(rows)
    for row in rows:
        found.statuses[row["status"]] += 1
        if row["status"] != "completed" or json.loads(row["input"])["n"] != json.loads(row["output"]):
            found.wrong.append(f"{row['id']}: {row['status']} {row['error'] or row['output']}")
        of_run = acts.get(row["id"], Counter())
        for act, times in (("STARTED", 1), ("COMPLETED", 1), ("STEP_COMPLETED", STEPS)):
            found.doubled += max(0, of_run[act] - times)
            found.missing += max(0, times - of_run[act])
        found.resumed += of_run["RESUMED"]
        found.late += of_run["LATE_OUTCOME"]
    return found


async def _acts(connection: Any, workspace_id: uuid.UUID) -> dict[uuid.UUID, Counter[str]]:
    rows = await connection.fetch(
        """SELECT i.uow_id, c.mnemonic, count(*) AS times FROM interactions i
             JOIN catalogue c ON c.workspace_id = i.workspace_id AND c.id = i.action_id
            WHERE i.workspace_id = $1 AND i.uow_id IS NOT NULL GROUP BY 1, 2""",
        workspace_id,
    )
    acts: dict[uuid.UUID, Counter[str]] = {}
    for row in rows:
        acts.setdefault(uuid.UUID(int=row["uow_id"].int), Counter())[row["mnemonic"]] += row["times"]
    return acts
