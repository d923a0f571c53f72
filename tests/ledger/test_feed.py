"""The feed on a real database: order, cursors, failures; and real workers, killed and in competition."""

import asyncio
import json
import signal
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sized
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from provenance.core.db import ReadTx, WriteTx, asyncpg_dsn
from provenance.core.ids import new_uuid, new_uuid_text
from provenance.core.keyring import Keyring, load_master_key
from provenance.core.settings import Settings
from provenance.ledger.catalogue.cache import Kind
from provenance.ledger.entry import Draft, seal
from provenance.ledger.feed import Feed, Handler, Handlers, Row, queries
from provenance.ledger.feed.handing import backoff, describe, hand
from provenance.ledger.feed.handlers import words_of
from provenance.ledger.service import Fact, Ledger, ensure_words, open_ledger, record
from tests.conftest import fresh_database
from tests.ledger.feed_worker import BATCH, SINGLE, note

SCHEMA = """
CREATE TABLE effects (at bigserial PRIMARY KEY, workspace_id uuid, handler text, number bigint, pid integer);
CREATE TABLE tally (workspace_id uuid PRIMARY KEY, rows bigint NOT NULL)
"""
LISTENING = """
SELECT count(*) > 0 FROM pg_stat_activity
 WHERE application_name = 'provenance feed hints' AND datname = current_database()
"""
MARKED = "SELECT count(*) = 1 FROM feed_cursors WHERE workspace_id = $1 AND handler LIKE '%starting_now%'"
CUT_OFF = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name <> 'provenance lane'
"""


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)


class Place:
    """A database of its own with a ledger that can be written to and handlers that can be fed."""

    def __init__(self, url: str, ledger: Ledger, sql: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.url, self.ledger, self.sql = url, ledger, sql

    async def open(self) -> uuid.UUID:
        """Make a workspace's ledger."""
        workspace_id = new_uuid()
        async with self.ledger.db.housekeeping(workspace_id) as tx:
            await open_ledger(tx, str(workspace_id), str(workspace_id))
        return workspace_id

    async def record(
        self,
        workspace_id: uuid.UUID,
        count: int = 1,
        *,
        words: str = "USER/CREATE",
        platform: bool = False,
        **data: Any,
    ) -> None:
        """Record interactions through the lane."""
        resource_type, action = words.split("/")
        wanted = [(Kind.RESOURCE_TYPE, resource_type), (Kind.ACTION, action), (Kind.ORIGIN, "TEST")]
        async with self.ledger.db.housekeeping(workspace_id) as tx:
            catalogue = await ensure_words(tx, self.ledger.catalogues, wanted)
        found = [catalogue.named(kind, name) for kind, name in wanted]
        keys = await self.ledger.keyring.of(workspace_id)
        drafts = [
            Draft(
                workspace_id=workspace_id,
                workspace=catalogue.workspace,
                recorded_by="test",
                actor_kind="key",
                resource_type=found[0],  # type: ignore[arg-type]
                action=found[1],  # type: ignore[arg-type]
                origin=found[2],  # type: ignore[arg-type]
                resource_id="r-1",
                user_id=None,
                external_reference=None,
                uow_id=new_uuid_text(),
                span_id=None,
                parent_span_id=None,
                occurred_at=None,
                outcome=None,
                sequence_index=None,
                corrects=None,
                content=b'{"interaction":%b}' % json.dumps(data, separators=(",", ":")).encode(),
                related=[],
                repeat_key=None,
                sent=b"",
                platform=platform,
            )
            for _ in range(count)
        ]
        for start in range(0, count, 500):
            sealed = [seal(draft, keys) for draft in drafts[start : start + 500]]
            await self.ledger.lane.many(sealed, all_or_nothing=True)

    async def feed(self, workspace_id: uuid.UUID, handlers: Handlers) -> None:
        """Hand everything there is to every handler, without a worker."""
        for handler in handlers:
            async with self.ledger.db.housekeeping(workspace_id) as tx:
                await queries.begin(tx, [handler.name])
            while (await self.hand(workspace_id, handler)).rows:
                pass

    async def hand(self, workspace_id: uuid.UUID, handler: Handler) -> Any:
        """Hand once."""
        return await hand(self.ledger.db, self.ledger.catalogues, handler, workspace_id)

    async def cursor(self, workspace_id: uuid.UUID, handlers: Handlers) -> "asyncpg.Record":
        """Return the cursor of the only handler."""
        (handler,) = handlers
        row = await self.sql.fetchrow(
            "SELECT number, failures, error FROM feed_cursors WHERE workspace_id = $1 AND handler = $2",
            workspace_id,
            handler.name,
        )
        assert row is not None
        return row

    async def effects(self, workspace_id: uuid.UUID, handler: str) -> list[int]:
        """Return the numbers that a handler left traces of, in the order in which it did."""
        found = await self.sql.fetch(
            "SELECT number FROM effects WHERE workspace_id = $1 AND handler = $2 ORDER BY at",
            workspace_id,
            handler,
        )
        return [row["number"] for row in found]


@pytest.fixture(scope="class")
async def place(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with fresh_database(postgres_url) as url:
        ledger = Ledger(Settings(database_url=url), url)
        master = await load_master_key(tmp_path_factory.mktemp("keys"), ledger.db)
        ledger.start(Keyring(master, ledger.db))
        sql = await asyncpg.connect(asyncpg_dsn(url))
        await sql.execute(SCHEMA)
        yield Place(url, ledger, sql)
        await sql.close()
        await ledger.stop()


class Worker:
    """A real worker process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, url: str, outside: Path) -> "Worker":
        command = (sys.executable, "-m", "tests.ledger.feed_worker", url, str(outside))
        return cls(await asyncio.create_subprocess_exec(*command))

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.process.wait()


StartWorker = Callable[[], Awaitable[Worker]]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    return tmp_path / "outside"


@pytest.fixture
async def start_worker(place: Place, outside: Path) -> AsyncIterator[StartWorker]:
    """A factory of worker processes; none survives the test."""
    started: list[Worker] = []

    async def start() -> Worker:
        started.append(await Worker.start(place.url, outside))
        return started[-1]

    yield start
    for worker in started:
        await worker.end(signal.SIGKILL)


class TestHanding:
    async def test_rows_come_by_number_and_whole(self, place: Place) -> None:
        workspace_id, seen, handlers = await place.open(), list[Row](), Handlers()

        @handlers.on()
        async def listen(tx: WriteTx, row: Row) -> None:
            assert tx.workspace_id == row.workspace_id
            seen.append(row)

        await place.record(workspace_id, 120, total=3.5)
        await place.feed(workspace_id, handlers)
        assert [row.number for row in seen] == list(range(1, 121))
        assert (seen[0].resource_type, seen[0].action, seen[0].origin) == ("USER", "CREATE", "TEST")
        assert seen[0].data() == {"total": 3.5}
        assert (await place.cursor(workspace_id, handlers))["number"] == 120

    async def test_an_event_is_a_pair_of_words_or_a_type_of_the_platform(self, place: Place) -> None:
        workspace_id, handlers = await place.open(), Handlers()
        pairs, types = list[int](), list[int]()

        @handlers.on(("APPROVAL", "approved"))
        async def pair(tx: WriteTx, row: Row) -> None:
            pairs.append(row.number)

        @handlers.on_batch("approval.approved")
        async def of_the_platform(tx: WriteTx, rows: list[Row]) -> None:
            types.extend(row.number for row in rows)

        await place.record(workspace_id, 2)
        await place.feed(workspace_id, handlers)  # nobody has used the words yet
        await place.record(workspace_id, words="APPROVAL/APPROVED")
        await place.record(workspace_id, words="APPROVAL/DENIED")
        await place.record(workspace_id, words="APPROVAL/APPROVED", platform=True)
        await place.feed(workspace_id, handlers)
        assert pairs == [3, 5]
        assert types == [5]

    async def test_large_rows_come_in_smaller_chunks(self, place: Place) -> None:
        workspace_id, sizes, handlers = await place.open(), list[int](), Handlers()

        @handlers.on_batch()
        async def listen(tx: WriteTx, rows: list[Row]) -> None:
            sizes.append(len(rows))

        await place.record(workspace_id, 100, text="x" * 200_000)
        await place.feed(workspace_id, handlers)
        assert sum(sizes) == 100
        assert max(sizes) == 8 * 1024 * 1024 // 200_000 + 1

    async def test_what_a_handler_records_is_appended_once_and_handed_on(self, place: Place) -> None:
        workspace_id, seen, handlers = await place.open(), list[str](), Handlers()

        @handlers.on()
        async def listen(tx: WriteTx, row: Row) -> None:
            seen.append(f"{row.resource_type}/{row.action}")
            if not row.platform:
                record(tx, Fact(resource_type="ALERT", action="RAISED", resource_id=str(row.number), data={}))

        await place.record(workspace_id, 2)
        await place.feed(workspace_id, handlers)
        assert seen == ["USER/CREATE", "USER/CREATE", "ALERT/RAISED", "ALERT/RAISED"]

    async def test_rows_that_are_not_wanted_are_passed_by_unread(self, place: Place) -> None:
        workspace_id, seen, handlers, wish = await place.open(), list[int](), Handlers(), {"wanted": False}

        async def wanted(tx: ReadTx) -> bool:
            assert tx.workspace_id == workspace_id
            return wish["wanted"]

        @handlers.on_batch(wanted=wanted)
        async def listen(tx: WriteTx, rows: list[Row]) -> None:
            seen.extend(row.number for row in rows)

        await place.record(workspace_id, 3)
        await place.feed(workspace_id, handlers)
        assert (await place.cursor(workspace_id, handlers))["number"] == 3
        wish["wanted"] = True
        await place.record(workspace_id, 2)
        await place.feed(workspace_id, handlers)
        assert seen == [4, 5]

    async def test_two_handlers_of_one_name_are_refused(self) -> None:
        handlers = Handlers()

        async def listen(tx: WriteTx, row: Row) -> None:
            raise NotImplementedError

        handlers.on()(listen)
        with pytest.raises(ValueError, match="share a cursor"):
            handlers.on()(listen)

    def test_event_types_name_words(self) -> None:
        assert words_of("approval.approved") == ("APPROVAL", "APPROVED")
        assert words_of("mcp-server.tool.added") == ("MCP-SERVER", "TOOL.ADDED")
        with pytest.raises(ValueError, match="event type"):
            words_of("approval")


class TestFailing:
    async def test_the_rows_before_are_kept_and_the_same_row_is_tried_again(self, place: Place) -> None:
        workspace_id, handlers, calls = await place.open(), Handlers(), list[int]()
        broken = True

        @handlers.on()
        async def listen(tx: WriteTx, row: Row) -> None:
            calls.append(row.number)
            await note(tx, "failing", [row])
            record(tx, Fact(resource_type="ALERT", action="RAISED", resource_id="x", data={}))
            if row.number == 3 and broken:
                raise RuntimeError("the password is hunter2")

        (handler,) = handlers
        await place.record(workspace_id, 5)
        async with place.ledger.db.housekeeping(workspace_id) as tx:
            await queries.begin(tx, [handler.name])
        first = await place.hand(workspace_id, handler)
        assert (first.rows, first.backoff) == (2, 1.0)
        again = await place.hand(workspace_id, handler)
        assert (again.rows, again.backoff) == (0, 2.0)
        kept = await place.cursor(workspace_id, handlers)
        assert (kept["number"], kept["failures"]) == (2, 2)
        assert kept["error"].startswith("RuntimeError at test_feed.py:")
        assert "hunter2" not in kept["error"]
        assert (
            await place.sql.fetchval("SELECT max(number) FROM interactions WHERE workspace_id = $1", workspace_id) == 7
        )
        broken = False
        assert (await place.hand(workspace_id, handler)).rows == 5
        kept = await place.cursor(workspace_id, handlers)
        assert (kept["number"], kept["failures"], kept["error"]) == (7, 0, None)
        assert calls[:6] == [1, 2, 3, 3, 3, 4]
        assert await place.effects(workspace_id, "failing") == [1, 2, 3, 4, 5, 6, 7]

    async def test_a_statement_that_fails_spoils_nothing_else(self, place: Place) -> None:
        workspace_id, handlers = await place.open(), Handlers()

        @handlers.on()
        async def listen(tx: WriteTx, row: Row) -> None:
            await note(tx, "statement", [row])
            await tx.driver_sql(f"SELECT 1 / {row.number - 2}")

        await place.record(workspace_id, 3)
        await place.feed(workspace_id, handlers)
        kept = await place.cursor(workspace_id, handlers)
        assert kept["number"] == 1
        assert "(22012)" in kept["error"]
        assert await place.effects(workspace_id, "statement") == [1]

    async def test_a_refused_append_counts_as_the_handlers_failure(self, place: Place) -> None:
        workspace_id, handlers = await place.open(), Handlers()

        @handlers.on()
        async def listen(tx: WriteTx, row: Row) -> None:
            await note(tx, "append", [row])
            record(tx, Fact(resource_type="ALERT", action="RAISED", resource_id="\0", data={}))

        await place.record(workspace_id, 1)
        await place.feed(workspace_id, handlers)
        kept = await place.cursor(workspace_id, handlers)
        assert (kept["number"], kept["failures"]) == (0, 1)
        assert kept["error"] is not None
        assert await place.effects(workspace_id, "append") == []

    async def test_other_handlers_and_workspaces_go_on(self, place: Place) -> None:
        stuck, fine = await place.open(), await place.open()
        handlers, healthy, attempts = Handlers(), Counter[uuid.UUID](), Counter[uuid.UUID]()

        @handlers.on_batch()
        async def fails(tx: WriteTx, rows: list[Row]) -> None:
            attempts[tx.workspace_id] += 1
            if tx.workspace_id == stuck and attempts[stuck] < 3:
                raise RuntimeError

        @handlers.on_batch()
        async def works(tx: WriteTx, rows: list[Row]) -> None:
            healthy[tx.workspace_id] += len(rows)

        await place.record(stuck, 3)
        stop = asyncio.Event()
        running = asyncio.create_task(
            Feed(place.ledger.db, place.ledger.catalogues, place.ledger.hints, handlers).run(stop)
        )

        async def done() -> bool:
            return healthy[stuck] == 3 and healthy[fine] == 4 and attempts[fine] >= 1 and attempts[stuck] >= 1

        await until(lambda: _is(attempts[stuck] >= 1))
        await place.record(fine, 4)
        await until(done)
        assert attempts[stuck] <= 3
        await until(lambda: _is(attempts[stuck] == 3))  # after one and two seconds it was tried again, and passed
        stop.set()
        await running
        name = next(handler.name for handler in handlers if handler.name.endswith("fails"))
        number = await place.sql.fetchval(
            "SELECT number FROM feed_cursors WHERE workspace_id = $1 AND handler = $2", stuck, name
        )
        assert number == 3

    def test_waits_grow_to_five_minutes(self) -> None:
        assert [backoff(failures) for failures in (1, 2, 3, 9, 10, 1000)] == [1, 2, 4, 256, 300, 300]

    def test_an_error_is_named_without_its_text(self) -> None:
        assert describe(ValueError("secret")) == "ValueError"


async def _is(value: bool) -> bool:
    return value


async def _length_is(found: Sized, length: int) -> bool:
    return len(found) == length


class TestRunning:
    async def test_a_new_row_and_a_new_workspace_are_noticed_by_the_hint(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("provenance.ledger.feed.running.POLL_SECONDS", 3_600.0)
        handlers, arrived = Handlers(), asyncio.Event()
        wanted = await place.open()

        @handlers.on(("DOOR", "OPENED"))
        async def listen(tx: WriteTx, row: Row) -> None:
            if row.workspace_id == wanted:
                arrived.set()

        stop = asyncio.Event()
        running = asyncio.create_task(
            Feed(place.ledger.db, place.ledger.catalogues, place.ledger.hints, handlers).run(stop)
        )
        await until(lambda: place.sql.fetchval(LISTENING))
        await place.record(wanted, words="DOOR/OPENED")
        async with asyncio.timeout(30):
            await arrived.wait()
        stop.set()
        await running

    async def test_what_comes_while_a_handler_rests_is_handed_together(self, place: Place) -> None:
        workspace_id, handlers = await place.open(), Handlers()
        resting, prompt = list[list[int]](), list[int]()

        @handlers.on_batch(rest=3_600.0)
        async def rests(tx: WriteTx, rows: list[Row]) -> None:
            if tx.workspace_id == workspace_id:
                resting.append([row.number for row in rows])

        @handlers.on_batch()
        async def works(tx: WriteTx, rows: list[Row]) -> None:
            if tx.workspace_id == workspace_id:
                prompt.extend(row.number for row in rows)

        for life in range(2):
            feed, stop = Feed(place.ledger.db, place.ledger.catalogues, place.ledger.hints, handlers), asyncio.Event()
            running = asyncio.create_task(feed.run(stop))
            await place.record(workspace_id, 3)
            await until(lambda before=life: _is(len(resting) == before + 1))
            for _ in range(3):
                await place.record(workspace_id)
            await until(partial(_length_is, prompt, 6 * (life + 1)))
            stop.set()
            await running
        assert resting[0] == [1, 2, 3]
        assert resting[1][:3] == [4, 5, 6], "a new process has rested from nothing"
        assert len(resting) == 2

    async def test_cursors_pass_by_what_is_not_theirs(self, place: Place) -> None:
        workspace_id, handlers = await place.open(), Handlers()

        @handlers.on(("DOOR", "CLOSED"))
        async def listen(tx: WriteTx, row: Row) -> None:
            raise NotImplementedError

        await place.record(workspace_id, 10)
        feed = Feed(place.ledger.db, place.ledger.catalogues, place.ledger.hints, handlers)
        stop = asyncio.Event()
        running = asyncio.create_task(feed.run(stop))

        async def passed() -> bool:
            found = await place.sql.fetchval(
                "SELECT max(number) FROM feed_cursors WHERE workspace_id = $1", workspace_id
            )
            return bool(found == 10)

        await until(passed)
        stop.set()
        await running
        async with place.ledger.db.housekeeping() as tx:
            behind, _ = await queries.behind(tx, [handler.name for handler in handlers], uuid.UUID(int=0), 1000)
        assert behind == []

    async def test_starting_now_leaves_out_the_past_but_not_new_workspaces(self, place: Place) -> None:
        old, handlers, seen = await place.open(), Handlers(), list[tuple[uuid.UUID, int]]()

        @handlers.on(start="now")
        async def listen(tx: WriteTx, row: Row) -> None:
            seen.append((row.workspace_id, row.number))

        await place.record(old, 5)
        for round_of_life in range(2):
            stop = asyncio.Event()
            running = asyncio.create_task(
                Feed(place.ledger.db, place.ledger.catalogues, place.ledger.hints, handlers).run(stop)
            )
            await until(lambda: place.sql.fetchval(MARKED, uuid.UUID(int=0)))
            new = await place.open()
            await place.record(old)
            await place.record(new)
            expected = (round_of_life + 1) * 2
            await until(partial(_length_is, seen, expected))
            assert set(seen[-2:]) == {(old, 6 + round_of_life), (new, 1)}
            stop.set()
            await running

    async def test_lost_connections_are_survived(self, place: Place) -> None:
        workspace_id, handlers = await place.open(), Handlers()

        @handlers.on_batch(rows=50)
        async def listen(tx: WriteTx, rows: list[Row]) -> None:
            await note(tx, "lost", rows)
            await tx.driver_sql("SELECT pg_sleep(0.01)")

        await place.record(workspace_id, 1000)
        ledger = Ledger(Settings(database_url=place.url), place.url)
        stop = asyncio.Event()
        running = asyncio.create_task(Feed(ledger.db, ledger.catalogues, ledger.hints, handlers).run(stop))
        await until(lambda: _some(place, workspace_id, "lost"))
        await place.sql.execute(CUT_OFF)

        async def done() -> bool:
            return len(await place.effects(workspace_id, "lost")) == 1000

        await until(done)
        stop.set()
        await running
        await ledger.stop()
        assert await place.effects(workspace_id, "lost") == list(range(1, 1001))
        assert (await place.cursor(workspace_id, handlers))["failures"] == 0


async def _some(place: Place, workspace_id: uuid.UUID, handler: str) -> bool:
    return bool(await place.effects(workspace_id, handler))


class TestProcesses:
    async def test_killed_in_the_middle_every_row_is_handled_and_effects_are_there_once(
        self, place: Place, start_worker: StartWorker, outside: Path
    ) -> None:
        workspace_id = await place.open()
        await place.record(workspace_id, 500)
        for kill_at in (60, 260):
            worker = await start_worker()

            async def reached(kill_at: int = kill_at) -> bool:
                return len(await place.effects(workspace_id, BATCH)) >= kill_at

            await until(reached)
            assert await worker.end(signal.SIGKILL) == -signal.SIGKILL
        worker = await start_worker()
        await until(lambda: self._all(place, workspace_id, 500))
        assert await worker.end() == 0
        expected = list(range(1, 501))
        assert await place.effects(workspace_id, BATCH) == expected
        assert await place.effects(workspace_id, SINGLE) == expected
        assert {f"{workspace_id} {number}" for number in expected} <= set(outside.read_text().splitlines())

    async def test_two_workers_share_the_work_and_do_nothing_twice(
        self, place: Place, start_worker: StartWorker
    ) -> None:
        workspaces = [await place.open() for _ in range(3)]
        workers = [await start_worker() for _ in range(2)]
        for _ in range(5):
            for workspace_id in workspaces:
                await place.record(workspace_id, 40)
        for workspace_id in workspaces:
            await until(partial(self._all, place, workspace_id, 200))
        assert [await worker.end() for worker in workers] == [0, 0]
        expected = list(range(1, 201))
        for workspace_id in workspaces:
            assert await place.effects(workspace_id, BATCH) == expected
            assert await place.effects(workspace_id, SINGLE) == expected
        pids = await place.sql.fetch("SELECT DISTINCT pid FROM effects WHERE workspace_id = ANY($1)", workspaces)
        assert len(pids) == 2

    @staticmethod
    async def _all(place: Place, workspace_id: uuid.UUID, count: int) -> bool:
        found = await place.sql.fetch(
            "SELECT handler FROM effects WHERE workspace_id = $1 GROUP BY handler HAVING count(*) >= $2",
            workspace_id,
            count,
        )
        return len(found) == 2
