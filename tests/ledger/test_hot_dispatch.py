"""The hot dispatch and the declaration it stands in for answer alike: one corpus, two servers, every outward sign."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from prometheus_client.registry import REGISTRY
from sqlalchemy import text
from structlog.testing import capture_logs

from provenance.core import ids
from provenance.core.settings import Settings
from tests.conftest import Running, Tenant, make_tenant_of, running
from tests.ledger.corpus import SMALL, Request, World, corpus

CORPUS = corpus()
CHANGING_HEADERS = ("content-length", "x-request-id")
IDS = re.compile(
    r"\breq_[a-z]{26}\b|\bkey_[A-Za-z0-9]+\b|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
)
NUMBERS = re.compile(r'("interactionNumber"|"leafIndex"):\d+')
"""Refusals leave rows of their own in the background, so the numbers of the two sides drift apart."""
TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z|\b\d{19}\b")


@dataclass
class Signs:
    """Everything that a request leaves to be seen from outside."""

    status: int
    headers: list[tuple[str, str]]
    body: str
    counted: dict[str, float]
    logged: list[dict[str, Any]]


class Side:
    """One of the two servers, with its world and the names given to its ids."""

    def __init__(self, server: Running, client: httpx.AsyncClient, world: World) -> None:
        self.server, self.client, self.world = server, client, world
        self._names: dict[str, str] = {}
        for name in ("recorded_id", "foreign_recorded_id", "type_id", "action_id", "foreign_type_id"):
            self._names[getattr(world, name)] = f"<{name}>"

    async def send(self, request: Request) -> Signs:
        before = counters()
        with capture_logs() as lines:
            answer = await self.client.request(
                request.method,
                self.server.url + request.path,
                headers=[(k.encode(), v.encode()) for k, v in self._headers(request).items()],
                content=self._content(request),
            )
            counted = {name: value - before.get(name, 0) for name, value in counters().items()}
        return Signs(
            answer.status_code,
            sorted((name, "…" if name in CHANGING_HEADERS else value) for name, value in answer.headers.items()),
            self._normal(answer.text),
            {name: value for name, value in counted.items() if value},
            [self._line(line) for line in lines],
        )

    def _headers(self, request: Request) -> dict[str, str]:
        return {"accept-encoding": "identity", **request.headers(self.world)}

    def _content(self, request: Request) -> Any:
        body = request.body(self.world)
        if request.parts == 1:
            return body
        size = -(-len(body) // request.parts)

        async def parts() -> AsyncIterator[bytes]:
            for start in range(0, len(body), size):
                yield body[start : start + size]

        return parts()

    def _normal(self, body: str) -> str:
        named = IDS.sub(lambda found: self._named(found[0]), body)
        return NUMBERS.sub(r"\1:0", TIMES.sub("<time>", named))

    def _named(self, found: str) -> str:
        if found.startswith("req_"):
            return "<request>"
        return self._names.setdefault(found, f"<id {len(self._names)}>")

    def _line(self, line: Mapping[str, Any]) -> dict[str, Any]:
        normal: dict[str, Any] = json.loads(self._normal(json.dumps(dict(line), default=repr)))
        return normal | ({"millis": "…"} if "millis" in normal else {})


def counters() -> dict[str, float]:
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in REGISTRY.collect()
        if family.name.startswith("provenance_")
        for sample in family.samples
        if not sample.name.endswith(("_sum", "_bucket", "_created"))
    }


async def build_world(server: Running) -> World:
    ledger = server.ledger
    home, abroad, strict = [await make_tenant_of(ledger) for _ in range(3)]
    scoped = [
        (await make_tenant_of(ledger, (scope,), into=home.id)).key for scope in ("interactions:read", "audit:read")
    ]
    revoked = await make_tenant_of(ledger, into=home.id)
    async with ledger.db.housekeeping() as tx:
        await tx.execute(text("UPDATE api_keys SET revoked_at = 1 WHERE id = :id"), {"id": revoked.key.split("_")[1]})
        await tx.execute(
            text("UPDATE ledger_settings SET strict_catalogue = true WHERE workspace_id = :id"),
            {"id": ids.decode("ws", strict.id)},
        )
    here, there = await seed(server, home), await seed(server, abroad)
    async with client_of(server, home) as client:
        old = (await client.get("/platform/queue/config")).json()["queueToken"]
        new = (await client.post("/platform/queue/rotate")).json()["queueToken"]
    return World(
        key=home.key,
        reader=scoped[0],
        auditor=scoped[1],
        revoked=revoked.key,
        elsewhere=abroad.key,
        strict=strict.key,
        queue=new,
        rotated=old,
        type_id=here["resourceTypeId"],
        action_id=here["actionId"],
        foreign_type_id=there["resourceTypeId"],
        recorded_id=here["interactionId"],
        foreign_recorded_id=there["interactionId"],
    )


def client_of(server: Running, tenant: Tenant) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.url, headers={"x-api-key": tenant.key}, timeout=30)


async def seed(server: Running, tenant: Tenant) -> dict[str, Any]:
    async with client_of(server, tenant) as client:
        answer = await client.post("/api/interactions", json=SMALL)
    row: dict[str, Any] = answer.json()
    return row


Pair = tuple[Signs, Signs]


@pytest.fixture(scope="module")
def secrets() -> set[str]:
    """The secret part of every credential that the corpus sends."""
    return set()


@pytest.fixture(scope="module")
async def seen(settings: Settings, secrets: set[str]) -> dict[str, Pair]:
    """What both servers showed for every request of the corpus, sent in its order."""
    taken: list[list[Signs]] = []
    for hot in (True, False):
        async with side(settings.model_copy(update={"hot_dispatch": hot})) as one:
            taken.append([await one.send(request) for request in CORPUS])
            given = (one.world.key, one.world.reader, one.world.revoked, one.world.queue, one.world.rotated)
            secrets |= {credential.rsplit("_", 1)[1] for credential in given}
    return dict(zip([request.name for request in CORPUS], zip(*taken, strict=True), strict=True))


@asynccontextmanager
async def side(settings: Settings) -> AsyncIterator[Side]:
    async with running(settings) as server, httpx.AsyncClient(timeout=30) as client:
        yield Side(server, client, await build_world(server))


class TestHandlerAndDeclaration:
    @pytest.mark.parametrize("request_", CORPUS, ids=lambda request: request.name)
    def test_answer_alike(self, seen: dict[str, Pair], request_: Request) -> None:
        hot, declared = seen[request_.name]
        assert hot.status == request_.expect, hot.body
        assert hot == declared

    def test_the_corpus_names_each_request_once(self) -> None:
        names = [request.name for request in CORPUS]
        assert len(set(names)) == len(names)
        assert len(names) > 150

    def test_every_request_is_counted_and_logged_once(self, seen: dict[str, Pair]) -> None:
        for name, (hot, _) in seen.items():
            requests = [key for key in hot.counted if key.startswith("provenance_http_requests_total")]
            assert len(requests) == 1, name
            assert sum(line["event"] == "request" for line in hot.logged) == 1, name

    def test_no_credential_is_ever_said(self, seen: dict[str, Pair], secrets: set[str]) -> None:
        for name, pair in seen.items():
            said = repr(pair)
            assert [secret for secret in secrets if secret in said] == [], name

    def test_every_refusal_has_the_one_shape(self, seen: dict[str, Pair]) -> None:
        for name, (hot, _) in seen.items():
            if hot.status >= 400:
                body = json.loads(hot.body)
                assert set(body) == {
                    "type", "title", "status", "code", "detail", "error", "details", "requestId"
                }, name  # fmt: skip
                assert body["error"] == body["detail"]
                assert body["status"] == hot.status
                assert dict(hot.headers)["content-type"] == "application/problem+json"
