"""Hints of a process come over one connection, whoever follows: each on its channel, for as long as it does."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest

from provenance.core.db import asyncpg_dsn
from provenance.core.ids import new_uuid
from provenance.ledger import wakeup
from provenance.ledger.feed import hints as hearing
from provenance.ledger.feed.hints import Hints
from provenance.ledger.wakeup import Channel, Wakeups
from tests.conftest import fresh_database

SENDING = """
SELECT count(*) FROM pg_stat_activity
 WHERE application_name = 'provenance' AND query LIKE '%pg_notify%' AND datname = current_database()
"""
LISTENING = """
SELECT pid FROM pg_stat_activity WHERE application_name = 'provenance feed hints' AND datname = current_database()
"""


class Listener:
    """Who follows: what was heard, and how often it was told that anything may have grown."""

    def __init__(self) -> None:
        self.heard: list[uuid.UUID] = []
        self.unsure = 0
        self._changed = asyncio.Event()

    def grew(self, workspace_id: uuid.UUID) -> None:
        self.heard.append(workspace_id)
        self._changed.set()

    def doubt(self) -> None:
        self.unsure += 1
        self._changed.set()

    async def until(self, condition: Callable[["Listener"], bool]) -> None:
        """Wait until a condition holds of it."""
        async with asyncio.timeout(30):
            while not condition(self):
                await self._changed.wait()
                self._changed.clear()


@asynccontextmanager
async def following(hints: Hints, listener: Listener, channel: str) -> AsyncIterator[None]:
    """Follow a channel while the block runs; it begins when the channel is heard."""
    told = listener.unsure
    task = asyncio.create_task(hints.follow(listener.grew, listener.doubt, channel))
    try:
        await listener.until(lambda each: each.unsure > told)
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


class Place:
    """A database of its own, where hints are given and listened to."""

    def __init__(self, url: str, sql: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._sql = sql
        self.url = url
        self.hints = Hints(url)

    async def say(self, channel: str, payload: object) -> None:
        await self._sql.execute("SELECT pg_notify($1, $2)", channel, str(payload))

    async def listening(self) -> list[int]:
        """Return the backends of the connections that listen."""
        return [row["pid"] for row in await self._sql.fetch(LISTENING)]

    async def listen(self, count: int) -> set[int]:
        """Wait until so many connections listen (one that was closed ends a moment later); return their backends."""
        async with asyncio.timeout(30):
            while len(found := await self.listening()) != count:
                await asyncio.sleep(0.01)
        return set(found)

    async def send(self, count: int) -> None:
        """Wait until so many connections give hints."""
        async with asyncio.timeout(30):
            while await self._sql.fetchval(SENDING) != count:
                await asyncio.sleep(0.01)

    async def cut_off(self) -> None:
        for pid in await self.listening():
            assert await self._sql.fetchval("SELECT pg_terminate_backend($1, 20000)", pid)


@pytest.fixture(scope="module")
async def url(postgres_url: str) -> AsyncIterator[str]:
    async with fresh_database(postgres_url) as made:
        yield made


@pytest.fixture
async def place(url: str) -> AsyncIterator[Place]:
    sql = await asyncpg.connect(asyncpg_dsn(url))
    yield Place(url, sql)
    await sql.close()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Don't wait before a lost connection is made again."""
    monkeypatch.setattr(hearing, "RECONNECT_SECONDS", 0.01)


class TestFollowing:
    async def test_each_hears_its_channel_over_one_connection(self, place: Place) -> None:
        ledgers, messages, again = Listener(), Listener(), Listener()
        async with (
            following(place.hints, ledgers, "one"),
            following(place.hints, messages, "two"),
            following(place.hints, again, "one"),
        ):
            await place.listen(1)
            first, second, third = new_uuid(), new_uuid(), new_uuid()
            await place.say("one", f"{first},{second}")
            await place.say("two", third)
            await ledgers.until(lambda each: len(each.heard) == 2)
            await messages.until(lambda each: bool(each.heard))
            await again.until(lambda each: len(each.heard) == 2)
        assert (ledgers.heard, messages.heard, again.heard) == ([first, second], [third], [first, second])
        await place.listen(0)

    async def test_who_ends_hears_no_more(self, place: Place) -> None:
        gone, there = Listener(), Listener()
        async with following(place.hints, there, "one"):
            async with following(place.hints, gone, "one"):
                pass
            await place.say("one", new_uuid())
            await there.until(lambda each: bool(each.heard))
        assert gone.heard == []

    async def test_who_comes_after_the_last_one_left_is_heard(self, place: Place) -> None:
        for _ in range(2):
            listener = Listener()
            async with following(place.hints, listener, "one"):
                await place.say("one", new_uuid())
                await listener.until(lambda each: bool(each.heard))

    async def test_what_names_no_workspace_may_be_any(self, place: Place) -> None:
        listener = Listener()
        async with following(place.hints, listener, "one"):
            await place.say("one", "something else")
            await listener.until(lambda each: each.unsure == 2)
        assert listener.heard == []

    async def test_one_that_fails_harms_no_other(self, place: Place) -> None:
        class Failing(Listener):
            def grew(self, workspace_id: uuid.UUID) -> None:
                super().grew(workspace_id)
                raise RuntimeError

            def doubt(self) -> None:
                super().doubt()
                raise RuntimeError

        bad, good = Failing(), Listener()
        async with following(place.hints, bad, "one"), following(place.hints, good, "one"):
            for count in (1, 2):
                await place.say("one", new_uuid())
                for each in (bad, good):
                    await each.until(lambda each, count=count: len(each.heard) == count)  # type: ignore[misc]


class TestALostConnection:
    async def test_is_made_again_and_all_are_told(self, place: Place) -> None:
        one, two = Listener(), Listener()
        async with following(place.hints, one, "one"), following(place.hints, two, "two"):
            before = await place.listen(1)
            await place.cut_off()
            for each in (one, two):
                await each.until(lambda each: each.unsure == 2)
            assert not before & await place.listen(1)
            for each, channel in ((one, "one"), (two, "two")):
                await place.say(channel, new_uuid())
                await each.until(lambda each: bool(each.heard))

    async def test_that_died_in_silence_is_found_out(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hearing, "PROBE_SECONDS", 0.01)
        monkeypatch.setattr(asyncpg.Connection, "add_termination_listener", lambda *_: None)
        listener = Listener()
        async with following(place.hints, listener, "one"):
            await place.cut_off()
            await listener.until(lambda each: each.unsure == 2)


class TestGivingHints:
    async def test_holds_no_connection_when_there_are_none_to_give(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(wakeup, "REST_SECONDS", 0.01)
        listener, wakeups, given = Listener(), Wakeups(place.url), [new_uuid(), new_uuid()]
        wakeups.start()
        async with following(place.hints, listener, "one"):
            for workspace_id in given:
                wakeups.channel("one").grew(workspace_id)
                await listener.until(lambda each, last=workspace_id: last in each.heard)  # type: ignore[misc]
                await place.send(0)
        await wakeups.stop()
        assert listener.heard == given

    async def test_keeps_its_connection_in_between(self, place: Place) -> None:
        listener, wakeups = Listener(), Wakeups(place.url)
        wakeups.start()
        async with following(place.hints, listener, "one"):
            wakeups.channel("one").grew(new_uuid())
            await listener.until(lambda each: bool(each.heard))
            await place.send(1)
        await wakeups.stop()
        await place.send(0)

    async def test_of_several_channels_goes_together(self, place: Place) -> None:
        one, two, wakeups, given = Listener(), Listener(), Wakeups(place.url), new_uuid()
        wakeups.channel("one").grew(given)
        wakeups.channel("two").grew(given)
        async with following(place.hints, one, "one"), following(place.hints, two, "two"):
            wakeups.start()
            await one.until(lambda each: each.heard == [given])
            await two.until(lambda each: each.heard == [given])
            await place.send(1)
        await wakeups.stop()

    async def test_is_sent_once_it_may_be(self, place: Place) -> None:
        listener, wakeups, given = Listener(), Wakeups(place.url), [new_uuid(), new_uuid()]
        wakeups.start()
        async with following(place.hints, listener, "one"):
            for workspace_id in given:
                wakeups.channel("one", pause=0.05).grew(workspace_id)
                await listener.until(lambda each: bool(each.heard))
            await listener.until(lambda each: each.heard == given)
        await wakeups.stop()


class TestChannel:
    def test_has_one_hint_for_all_that_grew_within_a_pause(self) -> None:
        channel, (first, second) = _channel(pause=1.0), (new_uuid(), new_uuid())
        channel.grew(first)
        assert channel.wait(100.0) <= 0  # type: ignore[operator]
        assert channel.take(100.0) == str(first)
        channel.grew(second)
        channel.grew(second)
        assert channel.take(100.5) is None
        assert channel.wait(100.5) == 0.5
        assert channel.take(101.0) == str(second)
        assert channel.wait(101.0) is None

    def test_may_be_early_to_go_with_another(self) -> None:
        channel, given = _channel(pause=1.0), new_uuid()
        for now in (100.0, 100.75):
            channel.grew(given)
            assert channel.take(now) == str(given)

    def test_leaves_what_a_payload_has_no_room_for(self) -> None:
        channel, given = _channel(pause=1.0), {new_uuid() for _ in range(300)}
        for each in given:
            channel.grew(each)
        payloads = [channel.take(now) or "" for now in (100.0, 101.0)]
        assert all(len(payload) < 8_000 for payload in payloads)
        assert {uuid.UUID(text) for payload in payloads for text in payload.split(",")} == given
        assert channel.take(102.0) is None

    async def test_is_the_same_for_all_and_as_quick_as_one_of_them_wants(self, place: Place) -> None:
        wakeups = Wakeups(place.url)
        slow, quick = wakeups.channel("one"), wakeups.channel("one", pause=0.001)
        assert slow is quick
        assert slow.pause == 0.001


def _channel(*, pause: float) -> Channel:
    return Channel("one", pause, asyncio.Event())
