"""The REST client over a real socket: each method blocking and awaited, spelled the same."""

import json
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from provenance_client import (
    AsyncClient,
    Client,
    Conflict,
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    ProvenanceError,
    RateLimited,
    ServerError,
    TooLarge,
    Unreachable,
    read_batch,
)
from tests.client.standin import KEY, Answer, StandIn, problem

CREATE: dict[str, Any] = {"resource_id": "user-1", "resource_type": "USER", "action": "CREATE"}


@pytest.fixture
def api(server: StandIn) -> Iterator[Client]:
    with Client(api_url=server.url, api_key=KEY, origin="TEST") as client:
        yield client


@pytest.fixture
async def async_api(server: StandIn) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(api_url=server.url, api_key=KEY, origin="TEST") as client:
        yield client


CALLS = [
    ("resource_types.list", {}, "GET", "/api/resource-types"),
    ("actions.list", {"title": "x"}, "GET", "/api/actions?title=x"),
    ("origins.page", {"page": 2}, "GET", "/api/origins?page=2&limit=50"),
    ("resource_types.get", {"key": "A/B"}, "GET", "/api/resource-types/A%2FB"),
    ("resource_types.create", {"title": "U", "mnemonic": "USER"}, "POST", "/api/resource-types"),
    ("actions.update", {"key": "A", "title": "B"}, "PUT", "/api/actions/A"),
    ("origins.delete", {"key": "A"}, "DELETE", "/api/origins/A"),
    ("interactions.get", {"interaction_id": "i"}, "GET", "/api/interactions/i"),
    ("interactions.delete", {"interaction_id": "i"}, "DELETE", "/api/interactions/i"),
    ("traces.get", {"id": "user-123"}, "GET", "/api/traces/user-123"),
    ("traces.summary", {"id": "u 1"}, "GET", "/api/traces/u%201/summary"),
    ("traces.timeline", {"id": "u"}, "GET", "/api/traces/u/timeline"),
    ("activity.search", {"user_id": "u"}, "POST", "/api/activity/search"),
    ("fields.list", {"resource_type": "USER"}, "GET", "/api/interaction-fields?resourceType=USER"),
    ("analytics.query", {"metrics": ["count"]}, "POST", "/api/analytics/query"),
    ("analytics.discover", {}, "GET", "/api/analytics/discover"),
    ("queue.config", {}, "GET", "/platform/queue/config"),
    ("approvals.list", {"assignee": "me"}, "GET", "/approvals?assignee=me"),
    ("approvals.get", {"approval_id": "a"}, "GET", "/approvals/a"),
    ("approvals.approve", {"approval_id": "a/b"}, "POST", "/approvals/a%2Fb/approve"),
    ("approvals.reject", {"approval_id": "a", "comment": "no"}, "POST", "/approvals/a/reject"),
    ("approvals.comment", {"approval_id": "a", "text": "hm"}, "POST", "/approvals/a/comments"),
    ("health", {}, "GET", "/api/health"),
    ("call", {"method": "GET", "path": "/x", "at_root": True}, "GET", "/x"),
    ("call", {"method": "POST", "path": "/y", "json": {"a": 1}}, "POST", "/api/y"),
]


def method(client: Any, name: str) -> Any:
    for part in name.split("."):
        client = getattr(client, part)
    return client


class TestEveryMethod:
    @pytest.mark.parametrize(("name", "arguments", "verb", "path"), CALLS)
    async def test_both_transports_send_the_same(
        self,
        server: StandIn,
        api: Client,
        async_api: AsyncClient,
        name: str,
        arguments: dict[str, Any],
        verb: str,
        path: str,
    ) -> None:
        assert method(api, name)(**arguments) == {"method": verb, "path": path}
        assert await method(async_api, name)(**arguments) == {"method": verb, "path": path}
        (one, other) = [(request[0], request[1], request[3]) for request in server.requests]
        assert one == other
        assert all(request[2]["x-api-key"] == KEY for request in server.requests)


class TestInteractions:
    def test_create_sends_body_and_headers(self, server: StandIn, api: Client) -> None:
        row = api.interactions.create(
            **CREATE,
            interaction={"plan": "starter"},
            user_id="ü1",
            uow_id="u",
            timestamp=datetime(2026, 1, 1, tzinfo=UTC),
            span_id="s",
            idempotency_key="k",
        )
        assert row["interactionNumber"] == 1
        _, _, headers, body = server.requests[0]
        assert json.loads(body) == {
            "resourceId": "user-1",
            "resourceType": "USER",
            "action": "CREATE",
            "origin": "TEST",
            "interaction": {"plan": "starter"},
            "userId": "ü1",
        }
        assert headers["x-uowid"] == "u"
        assert headers["x-interaction-timestamp"] == "2026-01-01T00:00:00.000000Z"
        assert (headers["x-span-id"], headers["idempotency-key"]) == ("s", "k")

    def test_origin_id_displaces_the_default_origin(self, server: StandIn, api: Client) -> None:
        api.interactions.create(**CREATE, origin_id="o")
        assert "origin" not in json.loads(server.requests[0][3])

    def test_says_at_once_what_the_server_would_refuse(self, server: StandIn, api: Client) -> None:
        with pytest.raises(InvalidRequest):
            api.interactions.create(**{**CREATE, "resource_id": ""})
        with pytest.raises(InvalidRequest):
            api.interactions.create(**CREATE, idempotency_key="a\r\nx-api-key: b")
        assert not server.requests

    def test_list_spells_filters(self, server: StandIn, api: Client) -> None:
        api.interactions.list(
            resource_id="user-*",
            resource_type=["USER", "ORDER"],
            start_date=datetime(2026, 1, 1, tzinfo=UTC),
            where="interaction.total > 100",
            order="asc",
            limit=10,
        )
        assert parse_qsl(urlsplit(server.requests[0][1]).query) == [
            ("resourceId", "user-*"),
            ("resourceType", "USER"),
            ("resourceType", "ORDER"),
            ("startDate", "2026-01-01T00:00:00.000000Z"),
            ("where", "interaction.total > 100"),
            ("order", "asc"),
            ("limit", "10"),
        ]

    async def test_iterate_follows_the_cursor(self, server: StandIn, api: Client, async_api: AsyncClient) -> None:
        api.interactions.batch([{**CREATE, "interaction": {"n": n}} for n in range(7)])
        numbers = [row["interactionNumber"] for row in api.interactions.iterate(limit=3, resource_id="user-1")]
        assert numbers == [1, 2, 3, 4, 5, 6, 7]
        rows = async_api.interactions.iterate(limit=2)
        assert [row["interactionNumber"] async for row in rows] == numbers
        assert sum(request[0] == "GET" for request in server.requests) == 3 + 4

    def test_iterate_goes_on_after_an_empty_page(self, server: StandIn, api: Client) -> None:
        api.interactions.create(**CREATE)
        server.script.append(Answer(200, {"data": [], "pagination": {"nextCursor": "0", "scanComplete": False}}))
        assert len(list(api.interactions.iterate())) == 1

    def test_batch(self, server: StandIn, api: Client) -> None:
        answer = api.interactions.create_many(
            [
                {**CREATE, "idempotency_key": "a"},
                {"resourceId": "r", "resourceTypeId": "t", "action": "A", "originId": "o"},
            ],
            mode="partial",
        )
        assert [item["status"] for item in read_batch(answer)] == ["created", "created"]
        assert server.requests[0][1] == "/api/interactions/batch?mode=partial"
        assert [row.get("origin") for row in server.rows] == ["TEST", None]


class TestCatalogue:
    def test_update_tells_none_from_absent(self, server: StandIn, api: Client) -> None:
        api.resource_types.update("USER", icon=None, bg_color_hex="#ffffff")
        assert json.loads(server.requests[0][3]) == {"icon": None, "bgColorHex": "#ffffff"}


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (400, InvalidRequest),
            (401, NotAuthenticated),
            (403, NotAllowed),
            (404, NotFound),
            (409, Conflict),
            (413, TooLarge),
            (429, RateLimited),
            (418, ProvenanceError),
            (500, ServerError),
            (503, ServerError),
        ],
    )
    async def test_class_by_status(
        self,
        server: StandIn,
        api: Client,
        async_api: AsyncClient,
        status: int,
        kind: type[ProvenanceError],
    ) -> None:
        server.script.extend([problem(status, "the_code", "Said so.", retry_after="7")] * 2)
        with pytest.raises(ProvenanceError) as caught:
            api.health()
        error = caught.value
        assert type(error) is kind
        assert (error.code, error.status, error.detail, error.request_id) == (
            "the_code",
            status,
            "Said so.",
            "req",
        )
        assert error.retry_after == 7
        with pytest.raises(kind):
            await async_api.health()

    def test_details_are_in_the_text(self, server: StandIn, api: Client) -> None:
        refusal = problem(400, "invalid_request", "Invalid.")
        refusal.body["details"] = [{"path": "action", "issue": "required"}]
        server.script.append(refusal)
        with pytest.raises(InvalidRequest, match=r"invalid_request: Invalid\. \(action: required\)"):
            api.health()

    def test_an_answer_that_is_no_problem_document(self, server: StandIn, api: Client) -> None:
        server.script.append(Answer(502, ["<html>"], {"x-request-id": "abc", "retry-after": "soon"}))
        with pytest.raises(ServerError) as caught:
            api.health()
        assert (caught.value.code, caught.value.request_id) == ("server_error", "abc")
        assert caught.value.retry_after is None

    def test_retry_after_as_a_date(self, server: StandIn, api: Client) -> None:
        server.script.append(Answer(429, {}, {"retry-after": "Fri, 01 Jan 2100 00:00:00 GMT"}))
        with pytest.raises(RateLimited) as caught:
            api.health()
        assert caught.value.retry_after is not None
        assert caught.value.retry_after > 1e9

    def test_nobody_listens(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with Client(api_url=url, api_key=KEY) as client, pytest.raises(Unreachable) as caught:
            client.health()
        assert caught.value.status is None

    def test_empty_answer_is_none(self, server: StandIn, api: Client) -> None:
        server.script.append(Answer(204))
        assert api.origins.delete("X") is None


def test_method_documents_itself(api: Client) -> None:
    assert "NotFound" in (api.traces.get.__doc__ or "")
    assert api.traces.get.__name__ == "get"
