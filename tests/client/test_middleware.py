"""The ASGI middleware in a real server, called over a socket."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import uvicorn

from provenance_client import ProvenanceMiddleware, SyncProvenance
from provenance_client.middleware import incoming_scope
from provenance_client.recording.scope import Scope, current
from tests.client.conftest import MakeRecorder
from tests.client.standin import EVENT, StandIn

UOW = "01a2005d-ded9-70c4-9c54-4fc400a64c57"
SPAN = "01a2005d-ded9-70c4-9c54-4fc3f83769ef"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def provenance(recording: MakeRecorder) -> SyncProvenance:
    return recording(linger=0.0)


@pytest.fixture
async def url(provenance: SyncProvenance) -> AsyncIterator[str]:
    async def application(scope: Any, _receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        provenance.log(**EVENT)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app = ProvenanceMiddleware(application, user_id=lambda scope: dict(scope["headers"]).get(b"x-user", b"").decode())
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await serving


async def test_requests_carry_their_callers_context(url: str, server: StandIn, provenance: SyncProvenance) -> None:
    async with httpx.AsyncClient(base_url=url) as caller:
        headers = {"x-uowid": UOW, "x-parent-span-id": SPAN, "x-user": "u-1"}
        await asyncio.gather(caller.get("/", headers=headers), *(caller.get("/") for _ in range(4)))
    assert await asyncio.to_thread(provenance.flush)
    (mine,) = [row for row in server.rows if row["uowId"] == UOW]
    assert (mine["parentSpanId"], mine["userId"]) == (SPAN, "u-1")
    assert len({row["uowId"] for row in server.rows}) == 5
    assert current() == Scope()


async def test_other_kinds_of_connection_pass_through() -> None:
    seen: list[Any] = []

    async def application(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append((scope["type"], current()))

    await ProvenanceMiddleware(application)({"type": "lifespan"}, None, None)
    assert seen == [("lifespan", Scope())]


class TestIncomingScope:
    def test_trace_id_is_the_unit_of_work(self) -> None:
        scope = incoming_scope({"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
        assert (scope.uow_id, scope.trace_id) == (str(uuid.UUID(TRACE)), TRACE)

    def test_header_wins_and_the_trace_goes_on(self) -> None:
        scope = incoming_scope({"x-uowid": UOW.upper(), "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
        assert (scope.uow_id, scope.trace_id) == (UOW, TRACE)

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"x-uowid": "7", "x-parent-span-id": "nonsense", "traceparent": "00-x-y-01"},
            {"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"},
        ],
    )
    def test_malformed_counts_as_absent(self, headers: dict[str, str]) -> None:
        scope = incoming_scope(headers)
        assert uuid.UUID(scope.uow_id).version == 7
        assert (scope.span_id, scope.trace_id) == (None, None)
