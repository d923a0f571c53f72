"""Units of work, spans, headers: what belongs to what, across tasks and threads."""

import asyncio
import contextvars
import threading
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from provenance_client import InvalidRequest, Provenance, SpoolFull, SyncProvenance, create
from provenance_client.recording.scope import Scope, current, outgoing_headers
from tests.client.conftest import MakeRecorder
from tests.client.standin import EVENT, KEY, StandIn

SPAN: dict[str, Any] = {**EVENT, "action": "IMPORT"}


@pytest.fixture
def provenance(recording: MakeRecorder) -> SyncProvenance:
    return recording(linger=0.0)


@pytest.fixture
async def async_provenance(server: StandIn, tmp_path: Path) -> AsyncIterator[Provenance]:
    async with await create(api_url=server.url, api_key=KEY, origin="TEST", spool_dir=tmp_path) as provenance:
        yield provenance


def rows(server: StandIn, provenance: SyncProvenance) -> dict[str, dict[str, Any]]:
    """What arrived, by action."""
    assert provenance.flush()
    return {row["action"]: row for row in server.rows}


class TestUnitOfWork:
    def test_everything_inside_belongs_to_it(self, server: StandIn, provenance: SyncProvenance) -> None:
        with provenance.unit_of_work(user_id="u-1") as unit:
            provenance.log(**EVENT)
        provenance.log(**{**EVENT, "action": "OUTSIDE"})
        found = rows(server, provenance)
        assert (found["CREATE"]["uowId"], found["CREATE"]["userId"]) == (unit.id, "u-1")
        assert "uowId" not in found["OUTSIDE"]
        assert uuid.UUID(unit.id).version == 7

    def test_given_id(self, provenance: SyncProvenance) -> None:
        with provenance.unit_of_work("01A2005D-DED9-70C4-9C54-4FC400A64C57") as unit:
            assert unit.id == "01a2005d-ded9-70c4-9c54-4fc400a64c57"
        with pytest.raises(InvalidRequest):
            provenance.unit_of_work("order-7")

    def test_nested_unit_is_one_of_its_own_and_the_outer_comes_back(self, provenance: SyncProvenance) -> None:
        with provenance.unit_of_work(user_id="u-1") as outer:
            with provenance.span(**SPAN), provenance.unit_of_work() as inner:
                assert current() == Scope(inner.id, user_id="u-1")
            assert current().uow_id == outer.id
        assert current() == Scope()

    def test_a_uuid_in_any_spelling_is_the_same_unit(self, server: StandIn, provenance: SyncProvenance) -> None:
        with provenance.unit_of_work() as unit, provenance.span(**SPAN) as span:
            provenance.log(**EVENT, uow_id=unit.id.upper())
            provenance.log(**{**EVENT, "action": "OBJECT"}, uow_id=uuid.UUID(unit.id))  # type: ignore[typeddict-item]
        found = rows(server, provenance)
        assert found["CREATE"]["parentSpanId"] == found["OBJECT"]["parentSpanId"] == span.id
        with pytest.raises(InvalidRequest):
            provenance.log(**EVENT, span_id="7")

    def test_explicit_argument_wins(self, server: StandIn, provenance: SyncProvenance) -> None:
        other = str(uuid.uuid4())
        with provenance.unit_of_work(user_id="u-1"), provenance.span(**SPAN):
            provenance.log(**EVENT, uow_id=other, user_id="u-2")
        row = rows(server, provenance)["CREATE"]
        assert (row["uowId"], row["userId"]) == (other, "u-2")
        assert "parentSpanId" not in row


class TestSpan:
    def test_is_the_parent_of_what_is_inside(self, server: StandIn, provenance: SyncProvenance) -> None:
        with provenance.span(**SPAN, interaction={"file": "a.csv"}) as outer:
            with provenance.span(**{**SPAN, "action": "PARSE"}) as inner:
                provenance.log(**EVENT)
            outer.add(rows=12)
        found = rows(server, provenance)
        assert found["CREATE"]["parentSpanId"] == inner.id == found["PARSE"]["spanId"]
        assert found["PARSE"]["parentSpanId"] == outer.id == found["IMPORT"]["spanId"]
        assert "parentSpanId" not in found["IMPORT"]
        assert {row["uowId"] for row in found.values()} == {outer.uow_id}
        assert found["IMPORT"]["outcome"] == "success"
        facts = found["IMPORT"]["interaction"]
        assert (facts["file"], facts["rows"]) == ("a.csv", 12)
        assert facts["durationMs"] > 0
        assert found["IMPORT"]["timestamp"] < found["PARSE"]["timestamp"] < found["CREATE"]["timestamp"]

    def test_an_exception_is_its_outcome_and_passes_through(self, server: StandIn, provenance: SyncProvenance) -> None:
        with pytest.raises(ValueError, match="bad"), provenance.span(**SPAN):
            raise ValueError("bad\x00\ud800")
        row = rows(server, provenance)["IMPORT"]
        assert row["outcome"] == "failure"
        assert row["interaction"]["error"] == {"type": "ValueError", "message": "bad\N{REPLACEMENT CHARACTER}?"}

    def test_interrupted_is_unknown(self, server: StandIn, provenance: SyncProvenance) -> None:
        with pytest.raises(KeyboardInterrupt), provenance.span(**SPAN):
            raise KeyboardInterrupt
        assert rows(server, provenance)["IMPORT"]["outcome"] == "unknown"

    def test_given_outcome_stays(self, server: StandIn, provenance: SyncProvenance) -> None:
        with provenance.span(**SPAN, outcome="denied"):
            pass
        assert rows(server, provenance)["IMPORT"]["outcome"] == "denied"

    def test_wrong_arguments_are_told_before_the_work(self, provenance: SyncProvenance) -> None:
        with pytest.raises(InvalidRequest):
            provenance.span(resource_type="USER", action="A")

    def test_a_full_spool_does_not_hide_the_exception(self, recording: MakeRecorder) -> None:
        provenance = recording(api_url="http://127.0.0.1:9", max_spool_rows=0)
        with pytest.raises(ZeroDivisionError), provenance.span(**SPAN):
            _ = 1 / 0
        with pytest.raises(SpoolFull), provenance.span(**SPAN):
            pass


class TestAddContext:
    def test_adds_and_is_overruled(self, server: StandIn, provenance: SyncProvenance) -> None:
        child = provenance.add_context(resource_type="USER", origin="CHILD", interaction={"a": 1, "b": 1})
        grandchild = child.add_context(resource_id="user-1", interaction={"b": 2})
        grandchild.log(action="ONE")
        grandchild.log(action="TWO", resource_type_id="t", interaction={"b": 3}, resource_id="user-2")
        found = rows(server, provenance)
        one, two = found["ONE"], found["TWO"]
        assert (one["resourceType"], one["resourceId"], one["origin"]) == ("USER", "user-1", "CHILD")
        assert one["interaction"] == {"a": 1, "b": 2}
        assert (two["resourceTypeId"], two["resourceId"]) == ("t", "user-2")
        assert "resourceType" not in two
        assert two["interaction"] == {"a": 1, "b": 3}

    def test_wins_over_the_surroundings(self, server: StandIn, provenance: SyncProvenance) -> None:
        own = str(uuid.uuid4())
        child = provenance.add_context(uow_id=own)
        with provenance.unit_of_work():
            child.log(**EVENT)
            assert child.headers()["x-uowid"] == own
        assert rows(server, provenance)["CREATE"]["uowId"] == own

    def test_shares_the_spool(self, provenance: SyncProvenance) -> None:
        provenance.add_context(user_id="u").log(**EVENT)
        assert provenance.stats().logged == 1

    def test_unknown_argument(self, provenance: SyncProvenance) -> None:
        with pytest.raises(TypeError, match="usr"):
            provenance.add_context(usr="u")  # type: ignore[call-arg]


class TestHeaders:
    def test_for_the_next_service(self, provenance: SyncProvenance) -> None:
        with provenance.unit_of_work() as unit, provenance.span(**SPAN) as span:
            sent = provenance.headers()
        assert sent == {
            "x-uowid": unit.id,
            "x-parent-span-id": span.id,
            "traceparent": f"00-{uuid.UUID(unit.id).hex}-{uuid.UUID(span.id).hex[16:]}-01",
        }

    def test_nothing_outside(self, provenance: SyncProvenance) -> None:
        assert provenance.headers() == {}

    def test_an_incoming_trace_goes_on(self) -> None:
        sent = outgoing_headers(Scope(str(uuid.uuid4()), trace_id="ab" * 16))
        assert sent["traceparent"].startswith("00-" + "ab" * 16)
        assert "x-parent-span-id" not in sent


class TestTasksAndThreads:
    async def test_tasks_inherit_and_do_not_disturb_each_other(
        self, server: StandIn, async_provenance: Provenance
    ) -> None:
        together = asyncio.Barrier(5)

        async def work(number: int) -> tuple[str, str]:
            async with async_provenance.span(**{**SPAN, "resource_id": f"r{number}"}) as span:
                await together.wait()
                return span.id, await async_provenance.log(**{**EVENT, "resource_id": f"r{number}"})

        async with async_provenance.unit_of_work() as unit:
            pairs = await asyncio.gather(*(work(number) for number in range(5)))
            assert current() == Scope(unit.id)
        assert await async_provenance.flush()
        by_span = {row["spanId"]: row for row in server.rows}
        for span_id, logged in pairs:
            assert by_span[logged]["parentSpanId"] == span_id
            assert by_span[logged]["uowId"] == by_span[span_id]["uowId"] == unit.id

    async def test_to_thread_inherits(self, server: StandIn, async_provenance: Provenance) -> None:
        async with async_provenance.unit_of_work() as unit:
            await asyncio.to_thread(async_provenance.record, **EVENT)
        assert await async_provenance.flush()
        assert server.rows[0]["uowId"] == unit.id

    async def test_cancelled_span(self, server: StandIn, async_provenance: Provenance) -> None:
        async def work() -> None:
            async with async_provenance.span(**SPAN):
                await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await async_provenance.flush()
        assert server.rows[0]["outcome"] == "unknown"

    def test_a_bare_thread_starts_without_unless_given_the_context(
        self, server: StandIn, provenance: SyncProvenance
    ) -> None:
        with provenance.unit_of_work() as unit:
            bare = threading.Thread(target=provenance.log, kwargs={**EVENT, "action": "BARE"})
            context = contextvars.copy_context()
            given = threading.Thread(target=context.run, args=(provenance.log,), kwargs={**EVENT, "action": "GIVEN"})
            for thread in (bare, given):
                thread.start()
                thread.join()
        found = rows(server, provenance)
        assert "uowId" not in found["BARE"]
        assert found["GIVEN"]["uowId"] == unit.id


class TestCaptureException:
    def test_describes_what_happened_and_where(self, server: StandIn, provenance: SyncProvenance) -> None:
        secret = "hunter2"  # noqa: F841 - a local variable that must not be recorded
        try:
            try:
                raise KeyError("inner")
            except KeyError as inner:
                raise InvalidRequest("outer") from inner
        except InvalidRequest:
            span_id = provenance.capture_exception(interaction={"order": 7})
        row = rows(server, provenance)["RAISE"]
        assert row["spanId"] == span_id
        assert (row["resourceType"], row["resourceId"]) == ("EXCEPTION", "provenance_client.errors.InvalidRequest")
        facts = row["interaction"]
        assert facts["stack"][-1]["function"] == "test_describes_what_happened_and_where"
        assert [cause["type"] for cause in facts["causes"]] == ["KeyError"]
        assert (facts["order"], row["outcome"]) == (7, "failure")
        assert "hunter2" not in str(row)

    def test_nothing_to_capture(self, provenance: SyncProvenance) -> None:
        assert provenance.capture_exception() is None

    def test_a_given_one_with_other_fields(self, server: StandIn, provenance: SyncProvenance) -> None:
        provenance.capture_exception(ValueError("x" * 10_000), resource_type="ORDER", resource_id="o-1")
        row = rows(server, provenance)["RAISE"]
        assert (row["resourceType"], row["resourceId"]) == ("ORDER", "o-1")
        assert len(row["interaction"]["message"]) == 8_001

    def test_causes_that_form_a_ring(self, server: StandIn, provenance: SyncProvenance) -> None:
        one, other = ValueError("one"), ValueError("other")
        one.__cause__, other.__cause__ = other, one
        provenance.capture_exception(one)
        assert len(rows(server, provenance)["RAISE"]["interaction"]["causes"]) == 1
