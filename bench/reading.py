"""Scenario `reads`: how long each kind of question takes on a table of millions of rows."""

import asyncio
import http.client
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from bench import raw, requests
from bench.fill import HOT_RESOURCE, HOT_UNIT, HOT_USER, fill
from bench.load import Group, Plan, run
from bench.report import Report
from bench.stack import Stack, Tenant, further_database
from bench.writing import Options, warm

SECONDS, WARM_UP = 0.7, 0.3
ENOUGH = 10
_BASE = "/api/interactions"


def reads(stack: Stack, report: Report, options: Options) -> None:
    """Fill a database of its own, then ask one kind of question at a time, two clients each."""
    with further_database(stack, PROVENANCE_RATE_LIMIT_PER_MINUTE="0") as beside:  # one key asks what thousands would
        [tenant] = beside.tenants(1)
        warm(beside, tenant)
        began = time.monotonic()
        asyncio.run(fill(beside.dsn, tenant.workspace_id, options.rows, time.time_ns()))
        note = "made inside PostgreSQL, indexes built at the end"
        report.add("reads", f"filling {options.rows:,} rows", time.monotonic() - began, "s", note)
        for name, paths in _questions(beside, tenant).items():
            _ask(beside, report, tenant, name, paths)


def _ask(stack: Stack, report: Report, tenant: Tenant, name: str, paths: Sequence[str]) -> None:
    group = Group(name, "get", 2, requests.reads(tenant.key, paths))
    found = run(Plan(stack.port, [group], SECONDS, WARM_UP)).results[name]
    if found.answers < ENOUGH:
        found = run(Plan(stack.port, [group], SECONDS * 10, WARM_UP)).results[name]
    report.add("reads", f"{name}: p50", found.p50, "ms", f"{found.rate:,.0f} answers/s, worst {found.worst:.0f} ms")
    report.add("reads", f"{name}: p99", found.p99, "ms")


def _questions(stack: Stack, tenant: Tenant) -> dict[str, list[str]]:
    asked = {
        "first page, no filter": [_BASE],
        "page 100 by OFFSET": [f"{_BASE}?page=100"],
        "cursor, 10,000 rows deep": _cursors(stack, tenant, f"{_BASE}?page=199", 30),
        "hot resource": [f"{_BASE}?resourceId={HOT_RESOURCE}"],
        "cold resource": [f"{_BASE}?resourceId=user-{at}" for at in range(1, 2000, 7)],
        "hot resource and its type": [f"{_BASE}?resourceId={HOT_RESOURCE}&resourceType={kind}" for kind in _TYPES],
        "hot unit of work": [f"{_BASE}?uowId={HOT_UNIT}"],
        "cold units of work": [f"{_BASE}?uowId={unit}" for unit in _sample(stack, tenant, "uow_id")],
        "hot user": [f"{_BASE}?userId={HOT_USER}"],
        "cold users": [f"{_BASE}?userId=user-{at}" for at in range(1, 500, 3)],
        "span": [f"{_BASE}?spanId={span}" for span in _sample(stack, tenant, "span_id")],
        "action": [f"{_BASE}?action={action}" for action in ("UPDATE", "DELETE", "LOGIN")],
        "a day of dates": _days(),
        "hot resource in a day": [f"{path}&resourceId={HOT_RESOURCE}" for path in _days()],
        "one interaction by id": [f"{_BASE}/{id_}" for id_ in _sample(stack, tenant, "id")],
        "trace of a unit of work": [f"/api/traces/{unit}" for unit in _sample(stack, tenant, "uow_id")],
        "trace of a cold resource": [f"/api/traces/user-{at}" for at in range(1, 2000, 7)],
        "trace of the hot resource": [f"/api/traces/{HOT_RESOURCE}"],
    }
    return {name: paths for name, paths in asked.items() if _get(stack, tenant, paths[0])[0] == 200}


_TYPES = ("ORDER", "USER")


def _days() -> list[str]:
    now = datetime.now(UTC)
    days = [now - timedelta(days=back) for back in range(2, 12)]
    return [
        f"{_BASE}?startDate={quote(day.isoformat())}&endDate={quote((day + timedelta(days=1)).isoformat())}"
        for day in days
    ]


def _sample(stack: Stack, tenant: Tenant, column: str) -> list[str]:
    async def ask() -> list[str]:
        async with raw.connected(stack.dsn) as connection:
            query = f"""SELECT DISTINCT i.{column}::text FROM generate_series(1, 300) AS g
                JOIN interactions AS i ON i.workspace_id = $1::uuid AND i.number = 1000 + g * 997"""
            return [row[0] for row in await connection.fetch(query, tenant.workspace_id)]

    return asyncio.run(ask())


def _cursors(stack: Stack, tenant: Tenant, path: str, count: int) -> list[str]:
    """Return the paths of pages that follow one another by cursor from a deep page on."""
    found = []
    for _ in range(count):
        status, document = _get(stack, tenant, path)
        cursor = document.get("pagination", {}).get("nextCursor") if status == 200 else None
        if cursor is None:
            break
        path = f"{_BASE}?cursor={quote(cursor)}"
        found.append(path)
    return found or [path]


def _get(stack: Stack, tenant: Tenant, path: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=60)
    try:
        connection.request("GET", path, headers={"x-api-key": tenant.key})
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, json.loads(body) if answer.status == 200 else {}
    finally:
        connection.close()
