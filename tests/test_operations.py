"""What those who run a server ask it: does it live, can it work, what did it do, how is it called."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from jsonschema_rs import meta
from sqlalchemy import text

from provenance.core.settings import Settings
from tests.conftest import Running, fresh_database, running


@pytest.fixture
async def stranger(app: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=app.url, verify=False) as found:
        yield found


@pytest.fixture
async def own(postgres_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    """A server on a database of its own, whose schema may be spoilt."""
    async with (
        fresh_database(postgres_url) as url,
        running(Settings(database_url=url, data_dir=tmp_path, port=0, min_free_bytes=0)) as server,
    ):
        yield server


class TestHealth:
    @pytest.mark.parametrize("path", ["/healthz", "/api/health", "//api/health", "/readyz"])
    async def test_needs_no_key(self, stranger: httpx.AsyncClient, app: Running, path: str) -> None:
        answer = await stranger.get(app.url + path)
        assert answer.status_code == 200
        assert answer.json()["status"] in ("ok", "ready")


class TestReadiness:
    @pytest.mark.parametrize(
        "spoil",
        [
            "UPDATE alembic_version SET version_num = 'older'",
            "DELETE FROM alembic_version",
            "ALTER TABLE alembic_version RENAME TO elsewhere",
        ],
    )
    async def test_another_schema_is_a_503_with_the_cure(self, own: Running, spoil: str) -> None:
        async with own.ledger.db.housekeeping() as tx:
            await tx.execute(text(spoil))
        async with httpx.AsyncClient(base_url=own.url, verify=False) as client:
            answer = await client.get("/readyz")
            assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
            assert "provenance migrate" in answer.json()["detail"]
            assert answer.headers["retry-after"]
            assert (await client.get("/healthz")).status_code == 200


class TestMetrics:
    async def test_routes_are_templates_so_that_series_stay_few(self, client: httpx.AsyncClient) -> None:
        for number in range(3):
            await client.get(f"/api/actions/NONE-{number}")
            await client.get(f"/nowhere/{number}")
            await client.request("BREW", f"/api/actions/{number}")
        text_ = (await client.get("/metrics")).text
        routes = set(re.findall(r'provenance_http_requests_total\{[^}]*route="([^"]*)"', text_))
        assert {"/api/actions/{reference}", "unmatched"} <= routes
        assert not any("NONE" in route or "nowhere" in route for route in routes)
        assert "BREW" not in text_


class TestDocument:
    async def test_it_is_a_valid_description_with_every_reference_resolved(self, stranger: httpx.AsyncClient) -> None:
        document = (await stranger.get("/docs/openapi.json")).json()
        assert document["openapi"].startswith("3.1")
        schemas = document["components"]["schemas"]
        for schema in schemas.values():
            meta.validate({**schema, "$schema": "https://json-schema.org/draft/2020-12/schema"})
        references = set(re.findall(r"'#/components/schemas/(\w+)'", repr(document)))
        assert references <= schemas.keys()
        assert "HTTPValidationError" not in schemas

    async def test_every_guarded_operation_names_its_scope_and_its_errors(self, stranger: httpx.AsyncClient) -> None:
        document = (await stranger.get("/docs/openapi.json")).json()
        for methods in document["paths"].values():
            for operation in methods.values():
                if "security" in operation and operation["operationId"] != "queue.push":
                    scopeless = operation["security"] in ([{"bearer": []}], [{"signature": []}])
                    assert scopeless or operation["x-scope"], operation["operationId"]
                    assert {"400", "401", "403"} <= operation["responses"].keys()


class TestUnknown:
    @pytest.mark.parametrize(
        ("method", "path", "status"), [("GET", "/nowhere", 404), ("PATCH", "/api/actions", 405), ("GET", "/", 404)]
    )
    async def test_has_the_one_error_shape(
        self, stranger: httpx.AsyncClient, method: str, path: str, status: int
    ) -> None:
        answer = await stranger.request(method, path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["requestId"] == answer.headers["x-request-id"]
