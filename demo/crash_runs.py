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

from bench.stack import Tenant
from demo.crash_target import Target
from provenance.core.db import Database
from provenance.engine import service as engine
from provenance.engine.running import CHANNEL
from provenance.engine.tokens import wait_token

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
        {"key": "start", "kind": "trigger", "config": {"type": "api"}},
        {"key": "first", "kind": "logic", "config": {"mode": "transform", "transform": {"n": "{{ input.n }}"}}},
        action("pay"),
        {"key": "rest", "kind": "wait", "config": {"seconds": 0.2}},
        action("ship", forEach={"items": [1, 2], "concurrency": 2}),
        {"key": "look", "kind": "data", "config": {"source": "http", "url": f"{target.url}/look"}, "retry": _RETRY},
        {"key": "gate", "kind": "approval", "config": {"title": "Done?", "risk": "low"}},
        {"key": "last", "kind": "logic", "config": {"mode": "transform", "transform": "{{ steps.first.output.n }}"}},
    ]
    keys = [step["key"] for step in steps]
    edges = [{"from": source, "to": target} for source, target in pairwise(keys)]
    return {"schemaVersion": 1, "steps": steps, "edges": edges}


class Callers:
    """Whoever starts runs: each start has a key of its own and is sent again until it is answered."""

    def __init__(self, port: int, tenant: Tenant) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._headers = {"x-api-key": tenant.key}
        self.unanswered = 0

    async def publish(self, document: dict[str, Any]) -> str:
        """Publish the workflow; return its id."""
        async with aiohttp.ClientSession(self._url, headers=self._headers) as session:
            made = await session.post("/workflows", json={"name": "Crash", "definition": document})
            workflow_id: str = (await made.json())["workflowId"]
            answer = await session.post(f"/workflows/{workflow_id}/publish", json={})
            answer.raise_for_status()
        return workflow_id

    async def start(self, workflow_id: str, count: int) -> None:
        """Start so many runs, a few at a time, spread over the accidents."""
        numbers = iter(range(count))
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(self._url, headers=self._headers, timeout=timeout) as session:

            async def one_after_another() -> None:
                for number in numbers:
                    body = {"workflowId": workflow_id, "input": {"n": number}}
                    await self._start_one(session, number, body)
                    await asyncio.sleep(START_SECONDS * STARTERS / count)

            await asyncio.gather(*[one_after_another() for _ in range(STARTERS)])

    async def _start_one(self, session: aiohttp.ClientSession, number: int, body: dict[str, Any]) -> None:
        """Start one run. A conflict says that an earlier attempt was committed, though its answer was lost."""
        while True:
            try:
                async with session.post("/runs", json=body, headers={"Idempotency-Key": f"run-{number}"}) as answer:
                    if answer.status in (201, 409):
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            self.unanswered += 1
            await asyncio.sleep(0.1)


async def approve(db: Database, workspace_id: uuid.UUID) -> None:
    """Approve whatever waits for people, until cancelled, and through every failure of the database."""
    waiting = """SELECT run_id, step_key, iteration FROM run_waits
                  WHERE workspace_id = $1 AND kind = 'approval' AND resolved IS NULL AND ref IS NULL LIMIT 200"""
    while True:
        try:
            async with db.housekeeping(workspace_id) as tx:
                rows = (await tx.driver_sql(waiting, (workspace_id,))).all()
            for row in rows:
                async with db.housekeeping(workspace_id) as tx:
                    token = wait_token(row.run_id, row.step_key, row.iteration)
                    await engine.resolve_if_open(tx, token, {"decision": "approved", "decidedBy": "demo"})
            if rows:
                async with db.housekeeping(workspace_id) as tx:
                    await tx.driver_sql("SELECT pg_notify($1, $2)", (CHANNEL, str(workspace_id)))
        except Exception:
            pass
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
