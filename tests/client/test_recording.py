"""log() with its spool and sender against a server that answers, refuses, is slow, or is not there."""

import json
import socket
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from provenance_client import (
    InvalidRequest,
    NotAuthenticated,
    SpoolError,
    SpoolFull,
    SyncProvenance,
    TooLarge,
    create,
    create_sync,
)
from tests.client.conftest import MakeRecorder
from tests.client.standin import EVENT, KEY, Answer, StandIn, problem


@pytest.fixture
def provenance(recording: MakeRecorder) -> SyncProvenance:
    return recording(linger=0.0)


def posts(server: StandIn) -> list[int]:
    """How many items each batch carried."""
    return [len(json.loads(request[3])["items"]) for request in server.requests]


class TestLog:
    def test_arrives_once_with_its_span_and_the_time_of_the_call(
        self, server: StandIn, provenance: SyncProvenance
    ) -> None:
        span_id = provenance.log(**EVENT, interaction={"plan": "starter"}, user_id="u")
        assert provenance.flush()
        (row,) = server.rows
        assert row["spanId"] == span_id
        assert row["timestamp"].endswith("Z")
        assert (row["resourceType"], row["origin"], row["interaction"]) == (
            "USER",
            "TEST",
            {"plan": "starter"},
        )
        assert "uowId" not in row

    def test_keeps_the_order(self, server: StandIn, provenance: SyncProvenance) -> None:
        sent = [provenance.log(**EVENT) for _ in range(500)]
        assert provenance.flush()
        assert server.spans() == sent

    def test_what_the_server_would_refuse_is_said_at_once(self, provenance: SyncProvenance) -> None:
        with pytest.raises(InvalidRequest):
            provenance.log(**{**EVENT, "resource_id": ""})
        with pytest.raises(InvalidRequest):
            provenance.log(**EVENT, interaction={"a": float("nan")})
        with pytest.raises(TooLarge):
            provenance.log(**EVENT, interaction={"a": "x" * 300_000})
        with pytest.raises(TypeError, match="resorce_id"):
            provenance.log(**EVENT, resorce_id="typo")  # type: ignore[call-arg]
        assert provenance.stats().logged == 0

    def test_batches_stay_small_in_bytes(self, server: StandIn, recording: MakeRecorder) -> None:
        provenance = recording(linger=10.0)
        for _ in range(12):
            provenance.log(**EVENT, interaction={"text": "x" * 200_000})
        assert provenance.flush()
        assert len(server.rows) == 12
        assert max(len(request[3]) for request in server.requests) < 1_100_000

    def test_company_travels_together(self, server: StandIn, recording: MakeRecorder) -> None:
        provenance = recording(linger=10.0, batch_rows=40)
        for _ in range(100):
            provenance.log(**EVENT)
        assert provenance.flush()
        assert sum(posts(server)) == 100
        assert len(server.requests) <= 5

    def test_needs_a_key(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("PROVENANCE_DATA_DIR", str(tmp_path))
        monkeypatch.delenv("PROVENANCE_API_KEY", raising=False)
        with pytest.raises(NotAuthenticated) as caught:
            create_sync()
        assert caught.value.code == "no_api_key"

    def test_after_close(self, provenance: SyncProvenance) -> None:
        provenance.close()
        with pytest.raises(SpoolError):
            provenance.log(**EVENT)
        assert provenance.close()
        assert provenance.flush()


class TestRetry:
    @pytest.mark.parametrize("status", [500, 502, 503, 401, 403, 404])
    def test_a_server_in_trouble_is_asked_again(self, server: StandIn, provenance: SyncProvenance, status: int) -> None:
        server.script.append(problem(status, "trouble", "Not now."))
        provenance.log(**EVENT)
        assert provenance.flush()
        assert len(server.rows) == 1
        stats = provenance.stats()
        assert (stats.retries, stats.dead, stats.sent) == (1, 0, 1)
        assert stats.last_error == "trouble: Not now."

    def test_an_answer_that_was_lost_makes_no_second_row(self, server: StandIn, provenance: SyncProvenance) -> None:
        store, answered = server.store, []

        def store_and_break(item: dict[str, Any]) -> dict[str, Any]:
            result = store(item)
            if not answered:
                answered.append(result)
                raise ConnectionResetError
            return result

        server.store = store_and_break  # type: ignore[method-assign]
        provenance.log(**EVENT)
        assert provenance.flush()
        assert len(server.rows) == 1
        assert provenance.stats().duplicates == 1

    def test_honours_retry_after(self, server: StandIn, provenance: SyncProvenance) -> None:
        server.script.append(problem(429, "rate_limited", "Slow down.", retry_after="1"))
        began = time.monotonic()
        provenance.log(**EVENT)
        assert provenance.flush()
        assert 1.0 <= time.monotonic() - began < 8.0
        assert len(server.requests) == 2

    def test_a_passing_failure_of_one_item_keeps_only_that_one(
        self, server: StandIn, provenance: SyncProvenance
    ) -> None:
        failures = [{"status": 503, "code": "overloaded", "detail": "Later."}]
        server.refuse = lambda item: failures.pop() if failures and item["resourceId"] == "b" else None
        for name in "abc":
            provenance.log(**{**EVENT, "resource_id": name})
        assert provenance.flush()
        assert sorted(row["resourceId"] for row in server.rows) == ["a", "b", "c"]
        assert provenance.stats().duplicates == 0

    def test_an_answer_from_something_else_loses_nothing(self, server: StandIn, provenance: SyncProvenance) -> None:
        server.script.extend([Answer(200, ["portal"]), Answer(200, {}), Answer(200, {"items": []})])
        provenance.log(**EVENT)
        assert provenance.flush()
        assert len(server.rows) == 1

    def test_server_that_comes_up_later(self, recording: MakeRecorder, caplog: pytest.LogCaptureFixture) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
        provenance = recording(api_url=f"http://127.0.0.1:{port}", linger=0.0)
        sent = [provenance.log(**EVENT) for _ in range(20)]
        assert not provenance.flush(timeout=0.3)
        assert provenance.stats().pending == 20
        late = StandIn(port)
        assert provenance.flush()
        assert late.spans() == sent
        assert [record.levelname for record in caplog.records if "wait on disk" in record.message] == ["WARNING"]
        late.close()


class TestDeadLetters:
    def test_a_refused_item_is_kept_with_the_reason_and_blocks_nobody(
        self, server: StandIn, provenance: SyncProvenance
    ) -> None:
        refusal = {"status": 400, "code": "reserved_origin", "detail": "Reserved."}
        server.refuse = lambda item: refusal if item["resourceId"] == "bad" else None
        for name in ("a", "bad", "b"):
            provenance.log(**{**EVENT, "resource_id": name})
        assert provenance.flush()
        assert [row["resourceId"] for row in server.rows] == ["a", "b"]
        (letter,) = provenance.dead_letters()
        assert (letter.status, letter.code, letter.detail) == (400, "reserved_origin", "Reserved.")
        assert letter.interaction["resourceId"] == "bad"
        stats = provenance.stats()
        assert (stats.sent, stats.dead, stats.pending) == (2, 1, 0)
        assert provenance.clear_dead_letters() == 1
        assert provenance.dead_letters() == []

    def test_are_bounded(self, server: StandIn, provenance: SyncProvenance, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("provenance_client.recording.dead_letters.MAX_DEAD_LETTERS", 3)
        server.refuse = lambda _item: {"status": 409, "code": "idempotency_conflict"}
        for number in range(5):
            provenance.log(**EVENT, interaction={"n": number})
        assert provenance.flush()
        assert [letter.interaction["interaction"]["n"] for letter in provenance.dead_letters()] == [2, 3, 4]
        assert provenance.stats().dead == 5

    def test_a_request_refused_as_a_whole_is_narrowed_to_the_one(
        self, server: StandIn, recording: MakeRecorder
    ) -> None:
        refusal = problem(400, "invalid_json", "Cannot be read.")
        server.refuse_whole = lambda body: refusal if b"poison" in body else None
        provenance = recording(linger=5.0)
        for number in range(37):
            provenance.log(**{**EVENT, "resource_id": "poison" if number == 23 else f"r{number}"})
        assert provenance.flush()
        assert len(server.rows) == 36
        assert [letter.code for letter in provenance.dead_letters()] == ["invalid_json"]


class TestFullSpool:
    def test_raises(self, recording: MakeRecorder) -> None:
        provenance = recording(api_url="http://127.0.0.1:9", max_spool_rows=2)
        provenance.log(**EVENT)
        provenance.log(**EVENT)
        with pytest.raises(SpoolFull):
            provenance.log(**EVENT)
        assert provenance.stats().pending == 2

    def test_drops_and_counts(self, recording: MakeRecorder) -> None:
        provenance = recording(api_url="http://127.0.0.1:9", max_spool_bytes=500, on_full="drop")
        for _ in range(10):
            provenance.log(**EVENT)
        stats = provenance.stats()
        assert stats.dropped == 10 - stats.logged > 0
        assert stats.pending == stats.logged
        assert stats.pending_bytes <= 500

    def test_takes_again_when_the_server_did(self, server: StandIn, recording: MakeRecorder) -> None:
        provenance = recording(max_spool_rows=5, linger=0.0)
        for _ in range(4):
            for _ in range(5):
                provenance.log(**EVENT)
            assert provenance.flush()
        assert len(server.rows) == 20


class TestAsync:
    async def test_the_seed(self, server: StandIn, tmp_path: Path) -> None:
        provenance = await create(api_key=KEY, origin="my-service", api_url=server.url, spool_dir=tmp_path)
        span_id = await provenance.log(
            resource_type="USER",
            resource_id="user-123",
            action="CREATE",
            uow_id="01a2005d-ded9-70c4-9c54-4fc400a64c57",
            interaction={"email": "user@example.com", "plan": "starter"},
        )
        child = provenance.add_context(user_id="u-7", interaction={"region": "eu"})
        await child.log(resource_type="USER", resource_id="user-123", action="UPDATE", interaction={"a": 1})
        assert await provenance.flush()
        api = await provenance.api()
        page = await api.interactions.list(resource_id="user-123")
        first, second = page["data"]
        assert first["spanId"] == span_id
        assert server.rows[0]["origin"] == "my-service"
        assert (second["interaction"], second["userId"]) == ({"region": "eu", "a": 1}, "u-7")
        assert await api.traces.get("user-123")
        assert await provenance.api() is api
        assert await provenance.close()
        assert list(tmp_path.iterdir()) == []

    async def test_context_manager_closes(self, server: StandIn, tmp_path: Path) -> None:
        async with await create(api_key=KEY, origin="T", api_url=server.url, spool_dir=tmp_path) as provenance:
            await provenance.log(**EVENT)
        assert len(server.rows) == 1


def test_sync_twin(server: StandIn, tmp_path: Path) -> None:
    with create_sync(api_key=KEY, origin="T", api_url=server.url, spool_dir=tmp_path) as provenance:
        provenance.log(**EVENT)
        provenance.flush()
        assert provenance.api().interactions.list(resource_id="user-123")["pagination"]["total"] == 1
        assert provenance.api() is provenance.api()


def test_the_sender_survives_a_damaged_spool(
    server: StandIn, recording: MakeRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    provenance = recording(linger=10.0)
    provenance.log(**EVENT)
    path = provenance.stats().spool
    assert path is not None
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE spool RENAME TO hidden")
        with pytest.raises(sqlite3.Error):
            provenance.flush(timeout=0.1)
        connection.execute("ALTER TABLE hidden RENAME TO spool")
    assert provenance.flush()
    assert len(server.rows) == 1
