"""At least once, in order, whatever fails: answers, acknowledgements, workers; no target holds up another."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.core.ids import random_letters
from provenance.streams import planning, queries
from provenance.streams.delivering import Deliveries, backoff
from tests.conftest import Running
from tests.streams.conftest import Happen, Stream, hurry, make, rounds, settled, standing
from tests.streams.stand_ins import SECRET, TOKEN, Hec, Hook, served

UNCHECKED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def hook_of(hook: Hook) -> dict[str, Any]:
    return {"kind": "webhook", "url": hook.url, "secret": SECRET, "plaintext": True}


async def make_any(admin: httpx.AsyncClient, target: dict[str, Any], **more: Any) -> Stream:
    return await make(admin, target, name=random_letters(12), **more)


def answers(faults: list[int]) -> Any:
    """A target's bad days: each status once, then none."""
    return lambda: web.Response(status=status) if (status := faults.pop() if faults else 0) else None


class TestAtLeastOnce:
    @settings(max_examples=8, deadline=None, suppress_health_check=UNCHECKED)
    @given(
        before=st.lists(st.sampled_from([0, 400, 403, 413, 429, 500, 503]), max_size=4),
        after=st.lists(st.sampled_from([0, 400, 502]), max_size=4),
        bursts=st.lists(st.integers(1, 12), min_size=1, max_size=4),
        rows=st.integers(1, 9),
    )
    async def test_whatever_a_target_answers(
        self,
        near: Running,
        admin: httpx.AsyncClient,
        worker: Deliveries,
        happen: Happen,
        monkeypatch: pytest.MonkeyPatch,
        before: list[int],
        after: list[int],
        bursts: list[int],
        rows: int,
    ) -> None:
        monkeypatch.setattr(planning, "ROWS", rows)
        async with served(Hook()) as hook:
            hook.fault, hook.late_fault = answers(before), answers(after)
            stream = await make_any(admin, hook_of(hook), filter={"domains": ["run"]})
            seqs: list[int] = []
            for burst in bursts:
                seqs += await happen(burst)
                await rounds(worker, near, stream)
            while (await standing(admin, stream))["lagRows"]:
                await rounds(worker, near, stream)
        assert list(dict.fromkeys(hook.seqs)) == seqs  # all of them, first seen in order

    async def test_a_batch_that_may_have_arrived_is_sent_again_as_it_was(
        self, near: Running, admin: httpx.AsyncClient, worker: Deliveries, happen: Happen
    ) -> None:
        async with served(Hook()) as hook:
            hook.late_fault = answers([500, 0])
            stream = await make_any(admin, hook_of(hook), filter={"domains": ["run"]})
            first = await happen(2)
            await rounds(worker, near, stream)
            hook.late_fault = answers([500])
            second = await happen(2)
            await rounds(worker, near, stream)
            third = await happen(2)
            await rounds(worker, near, stream)
            assert hook.seqs == first + second + second
            await rounds(worker, near, stream)
            assert hook.seqs == first + second + second + third

    async def test_one_that_is_not_taken_is_cornered(
        self, near: Running, admin: httpx.AsyncClient, worker: Deliveries, happen: Happen
    ) -> None:
        """A target that refuses one event gets all those before it, and the stream says so."""
        async with served(Hook()) as hook:
            poison = 0

            def take(request: web.Request, body: bytes) -> web.Response:
                refused = f'"seq":{poison},'.encode() in body
                return web.Response(status=400, text="bad event") if refused else Hook.take(hook, request, body)

            hook.take = take  # type: ignore[method-assign]
            stream = await make_any(admin, hook_of(hook), filter={"domains": ["run"]})
            seqs = await happen(20)
            poison = seqs[13]
            await rounds(worker, near, stream, 40)
            assert hook.seqs == seqs[:13]
            found = await standing(admin, stream)
            assert (found["state"], found["lagRows"]) == ("failing", 7)
            assert found["said"] == "The target answered with the status 400: bad event."
            await admin.post(f"/audit/streams/{stream['streamId']}/replay", json={"fromSeq": poison + 1})
            await rounds(worker, near, stream, 2)
            assert hook.seqs == seqs[:13] + seqs[14:]

    async def test_a_filter_lets_pass_what_it_says(
        self, near: Running, admin: httpx.AsyncClient, worker: Deliveries, happen: Happen
    ) -> None:
        async with served(Hook()) as hook:
            narrow = {"domains": ["run", "agent"], "minRisk": "medium", "eventTypes": ["run.failed", "never.happened"]}
            stream = await make_any(admin, hook_of(hook), filter=narrow)
            await happen(1, "run.failed")
            wanted = await happen(1, "run.failed", risk="high")
            await happen(1, "run.started", risk="high")
            await happen(1, "secret.failed", risk="critical")
            await rounds(worker, near, stream)
            found = await standing(admin, stream)
        assert hook.seqs == wanted
        assert found["acknowledgedSeq"] == found["headSeq"]

    async def test_rows_of_services_go_nowhere(
        self, near: Running, admin: httpx.AsyncClient, reader: httpx.AsyncClient, worker: Deliveries
    ) -> None:
        async with served(Hook()) as hook:
            stream = await make_any(admin, hook_of(hook), filter={"domains": ["door"]})
            row = {"resourceType": "DOOR", "action": "OPEN", "origin": "TEST", "resourceId": "d"}
            assert (await reader.post("/api/interactions", json=row)).status_code == 201
            await rounds(worker, near, stream)
            found = await standing(admin, stream)
        assert (hook.events, found["acknowledgedSeq"]) == ([], found["headSeq"])

    async def test_a_batch_is_bounded_by_bytes(
        self,
        near: Running,
        admin: httpx.AsyncClient,
        worker: Deliveries,
        happen: Happen,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(queries, "BATCH_BYTES", 10_000)
        async with served(Hook()) as hook:
            stream = await make_any(admin, hook_of(hook), filter={"domains": ["run"]})
            seqs = await happen(9, data={"text": "x" * 4_000})
            await rounds(worker, near, stream, 3)
        assert hook.seqs == seqs
        assert len(hook.requests) == 3


class TestFailing:
    async def test_it_backs_off_and_is_recorded_once(
        self, near: Running, admin: httpx.AsyncClient, worker: Deliveries, happen: Happen
    ) -> None:
        async with served(Hook()) as hook:
            hook.fault = lambda: web.Response(status=503, headers={"retry-after": "120"})
            stream = await make_any(admin, hook_of(hook), filter={"domains": ["run"]})
            await happen(1)
            await rounds(worker, near, stream, 7)
            found = await standing(admin, stream)
            assert (found["failures"], found["state"]) == (7, "failing")
            assert found["nextAttemptAt"] > found["failedAt"]
            await worker.take()  # it is not due
            assert not worker._running
            hook.fault = lambda: None
            await rounds(worker, near, stream)
        listed = (await admin.get("/audit", params={"objectId": stream["streamId"]})).json()["items"]
        assert [(event["eventType"], event["outcome"]) for event in listed] == [
            ("audit_stream.recovered", "ok"),
            ("audit_stream.failing", "error"),
            ("audit_stream.created", "ok"),
        ]

    def test_waits_grow_to_five_minutes_and_are_spread(self) -> None:
        assert all(0.5 <= backoff(1) <= 1 for _ in range(50))
        assert all(150 <= backoff(30) <= 300 for _ in range(50))
        assert len({backoff(5) for _ in range(50)}) > 40

    async def test_one_that_hangs_holds_up_nobody(
        self, near: Running, admin: httpx.AsyncClient, worker: Deliveries, happen: Happen
    ) -> None:
        async with served(Hook()) as stuck, served(Hook()) as hook:
            stuck.stuck = asyncio.Event()
            await make_any(admin, hook_of(stuck))
            stream = await make_any(admin, hook_of(hook), filter={"domains": ["run"]})
            seqs = await happen(3)
            await worker.take()
            async with asyncio.timeout(30):
                while hook.seqs != seqs or (await standing(admin, stream))["lagRows"]:
                    await asyncio.sleep(0.01)
            assert len(stuck.requests) == 1
            assert len(worker._running) == 1
            stuck.stuck.set()
            await settled(worker)

    async def test_who_lost_the_lease_moves_nothing(
        self, near: Running, admin: httpx.AsyncClient, worker: Deliveries, happen: Happen
    ) -> None:
        """An administrator rewinds a stream while a worker waits for its target: the rewinding holds."""
        async with served(Hook()) as hook:
            stream = await make_any(admin, hook_of(hook), filter={"domains": ["run"]})
            seqs = await happen(3)
            await rounds(worker, near, stream)
            hook.stuck = asyncio.Event()
            more = await happen(1)
            await hurry(near, stream)
            await worker.take()
            async with asyncio.timeout(30):
                while len(hook.requests) < 2:
                    await asyncio.sleep(0.01)
            await admin.post(f"/audit/streams/{stream['streamId']}/replay", json={"fromSeq": seqs[0]})
            hook.stuck.set()
            await settled(worker)
            assert (await standing(admin, stream))["acknowledgedSeq"] == seqs[0] - 1
            await rounds(worker, near, stream)
            assert hook.seqs == seqs + more + seqs + more

    async def test_two_workers_send_once(self, near: Running, admin: httpx.AsyncClient, happen: Happen) -> None:
        from provenance.core.egress import Egress

        egress = Egress(near.ledger.settings.egress_allow)
        workers = [Deliveries(near.ledger, egress) for _ in range(4)]
        async with served(Hook()) as hook:
            await make_any(admin, hook_of(hook), filter={"domains": ["run"]})
            seqs = await happen(5)
            await asyncio.gather(*(each.take() for each in workers))
            for each in workers:
                await settled(each)
        assert hook.seqs == seqs
        await egress.close()


RUN = """
import asyncio, signal
from provenance.core.keyring import Keyring, load_master_key
from provenance.core.settings import Settings
from provenance.ledger.service import Ledger
from provenance.streams import tasks

async def main():
    settings = Settings()
    ledger = Ledger(settings, settings.database_url)
    ledger.use(Keyring(await load_master_key(settings.data_dir, ledger.db), ledger.db))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await tasks.run(ledger, stop, lease_seconds=0.6)
    await ledger.stop()

asyncio.run(main())
"""


async def start_worker(url: str, data_dir: Path) -> asyncio.subprocess.Process:
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "PROVENANCE_DATA_DIR": str(data_dir),
        "PROVENANCE_EGRESS_ALLOW": '["127.0.0.1"]',
    }
    return await asyncio.create_subprocess_exec(sys.executable, "-c", RUN, env=environment)


class TestKilled:
    async def test_another_worker_goes_on_where_one_was_killed(
        self, near: Running, admin: httpx.AsyncClient, happen: Happen
    ) -> None:
        """Killed while Splunk's indexer has received and not acknowledged: nothing is lost, the order holds."""
        url, data_dir = near.ledger.db.url, near.ledger.settings.data_dir
        async with served(Hec()) as hec:
            hec.polls_before_ack = 10**6
            target = {"kind": "splunk_hec", "url": hec.url, "token": TOKEN, "plaintext": True}
            stream = await make_any(admin, target, filter={"domains": ["run"]})
            seqs = await happen(700)
            first = await start_worker(url, data_dir)
            async with asyncio.timeout(20):
                while not hec.polled:
                    await asyncio.sleep(0.01)
            first.kill()
            assert await first.wait() == -signal.SIGKILL
            assert (await standing(admin, stream))["lagRows"] == 700
            hec.polls_before_ack = 0
            second = await start_worker(url, data_dir)
            async with asyncio.timeout(20):
                while (await standing(admin, stream))["lagRows"]:
                    await asyncio.sleep(0.02)
            second.send_signal(signal.SIGTERM)
            assert await second.wait() == 0
        # On a slow machine the second worker may not hear of the acknowledgement either, and sends once more.
        assert list(dict.fromkeys(hec.seqs)) == seqs
        *whole, last = [len(batch) for batch in hec.batches]
        assert (set(whole), last) == ({500}, 200)
        assert len(whole) in (2, 3)
