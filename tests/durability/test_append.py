"""``ledger_append`` under many writers: no deadlock, no gap, nothing twice, in whatever order they come."""

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import pytest

from provenance.core.db import asyncpg_dsn
from provenance.ledger.appending import APPEND, arguments, verdicts
from provenance.ledger.entry import Entry, Verdict
from tests.durability.entries import entry

Connection = Any  # asyncpg.Connection is generic for type checkers alone


@asynccontextmanager
async def connections(url: str, count: int) -> AsyncIterator[list[Connection]]:
    async with AsyncExitStack() as exits:
        found = []
        for _ in range(count):
            connection = await asyncpg.connect(asyncpg_dsn(url))
            exits.push_async_callback(connection.close)
            found.append(connection)
        yield found


async def append(connection: Connection, entries: list[Entry], *, all_or_nothing: bool = False) -> list[Verdict]:
    return verdicts(await connection.fetch(APPEND, *arguments(entries, all_or_nothing=all_or_nothing)), entries)


async def numbers(connection: Connection, workspace: uuid.UUID) -> list[int]:
    rows = await connection.fetch("SELECT number FROM interactions WHERE workspace_id = $1 ORDER BY 1", workspace)
    return [row[0] for row in rows]


class TestManyWriters:
    async def test_overlapping_keys_in_several_workspaces_in_any_order(self, database_url: str) -> None:
        chance = random.Random(7)
        workspaces = [uuid.uuid4() for _ in range(5)]
        keys = [b"key-%012d" % number for number in range(60)]
        given: dict[tuple[uuid.UUID, bytes], set[tuple[int, str]]] = {}
        created: Counter[tuple[uuid.UUID, bytes]] = Counter()

        async def write(connection: Connection, rounds: int) -> int:
            unkeyed = 0
            for _ in range(rounds):
                chosen = chance.sample(workspaces, chance.choice((1, 1, 2, 5)))
                group = [
                    entry(chance.choice(chosen), chance.choice(keys) if chance.random() < 0.7 else None)
                    for _ in range(chance.choice((1, 3, 40)))
                ]
                for sent, verdict in zip(group, await append(connection, group), strict=True):
                    if sent.key is None:
                        assert verdict.kind == "c"
                        unkeyed += 1
                        continue
                    assert verdict.kind in "cs"
                    place = (sent.columns.workspace_id, sent.key)
                    given.setdefault(place, set()).add((verdict.number, verdict.id))
                    created[place] += verdict.created
            return unkeyed

        async with connections(database_url, 8) as open_connections:
            unkeyed = await asyncio.gather(*[write(connection, 25) for connection in open_connections])
            assert all(len(rows) == 1 for rows in given.values()), "every repeat names the same row"
            assert set(created.values()) == {1}, "each key was stored once"
            total = 0
            for workspace in workspaces:
                found = await numbers(open_connections[0], workspace)
                assert found == list(range(1, len(found) + 1))
                total += len(found)
            assert total == len(given) + sum(unkeyed)

    async def test_a_writer_that_rolls_back_leaves_no_gap(self, database_url: str) -> None:
        workspace = uuid.uuid4()
        async with connections(database_url, 6) as open_connections:

            async def write(connection: Connection, at: int) -> None:
                for turn in range(10):
                    transaction = connection.transaction()
                    await transaction.start()
                    await append(connection, [entry(workspace) for _ in range(3)])
                    await (transaction.rollback() if (turn + at) % 3 == 0 else transaction.commit())

            await asyncio.gather(*[write(connection, at) for at, connection in enumerate(open_connections)])
            found = await numbers(open_connections[0], workspace)
            assert found == list(range(1, 3 * 6 * 10 * 2 // 3 + 1))

    async def test_racing_writers_of_one_key_agree_on_one_row(self, database_url: str) -> None:
        workspace = uuid.uuid4()
        async with connections(database_url, 16) as open_connections:
            for turn in range(5):
                key = b"race-%011d" % turn
                found = await asyncio.gather(
                    *[append(connection, [entry(workspace, key)]) for connection in open_connections]
                )
                assert sorted(verdict.kind for [verdict] in found) == ["c", *["s"] * 15]
                assert {(verdict.number, verdict.id) for [verdict] in found} == {(turn + 1, found[0][0].id)}


class TestVerdicts:
    @pytest.fixture
    async def connection(self, database_url: str) -> AsyncIterator[Connection]:
        async with connections(database_url, 1) as [found]:
            yield found

    async def test_the_first_of_equal_keys_in_one_group_counts(self, connection: Connection) -> None:
        workspace, key = uuid.uuid4(), b"k" * 16
        group = [
            entry(workspace),
            entry(workspace, key),
            entry(workspace, key),
            entry(workspace, key, b"other" + bytes(11)),
            entry(workspace),
        ]
        found = await append(connection, group)
        assert [(verdict.number, verdict.kind) for verdict in found] == [
            (1, "c"), (2, "c"), (2, "s"), (2, "d"), (3, "c"),
        ]  # fmt: skip
        assert {verdict.id for verdict in found[1:4]} == {group[1].columns.id}

    async def test_repeats_of_earlier_groups_in_between_leave_no_gap(self, connection: Connection) -> None:
        one, other = uuid.uuid4(), uuid.uuid4()
        await append(connection, [entry(one, b"a" * 16), entry(other, b"a" * 16)])
        group = [
            entry(one), entry(one, b"a" * 16), entry(other), entry(one, b"b" * 16), entry(other, b"a" * 16), entry(one),
        ]  # fmt: skip
        found = await append(connection, group)
        assert [(verdict.number, verdict.kind) for verdict in found] == [
            (2, "c"), (1, "s"), (2, "c"), (3, "c"), (1, "s"), (4, "c"),
        ]  # fmt: skip
        again = await append(connection, [entry(one, b"b" * 16)])
        assert [(verdict.number, verdict.kind) for verdict in again] == [(3, "s")]

    async def test_a_refused_batch_leaves_not_even_its_keys(self, connection: Connection) -> None:
        workspace = uuid.uuid4()
        await append(connection, [entry(workspace, b"a" * 16)])
        batch = [entry(workspace, b"n" * 16), entry(workspace, b"a" * 16, b"other" + bytes(11))]
        refused = await append(connection, batch, all_or_nothing=True)
        assert refused[1].kind == "d"
        assert await numbers(connection, workspace) == [1]
        [later] = await append(connection, [entry(workspace, b"n" * 16)])
        assert (later.number, later.kind) == (2, "c")

    async def test_kept_plans_never_read_whole_tables(self, connection: Connection) -> None:
        """A session keeps its plans; one made over twenty rows would read the whole table ever after."""
        settings = await connection.fetchval("SELECT proconfig FROM pg_proc WHERE proname = 'ledger_append'")
        assert settings == ["enable_seqscan=off"]
