"""The audit by mail (rows 51 and 52): set up, written, sent once whatever dies, recorded."""

import asyncio
import csv
import io
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from provenance.notifications.digest import composing
from provenance.notifications.digest.sending import Digests
from tests.conftest import Running
from tests.notifications.conftest import Post
from tests.streams.conftest import Happen

PATH = "/workspace/audit-digest"
ON: dict[str, Any] = {"enabled": True, "recipients": ["auditor@example.com"]}


async def configure(admin: httpx.AsyncClient, **members: Any) -> dict[str, Any]:
    answer = await admin.put(PATH, json={**ON, **members})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def hurry(near: Running) -> None:
    """Let every digest be due."""
    async with near.ledger.db.housekeeping() as tx:
        await tx.driver_sql("UPDATE audit_digests SET due_at = 0 WHERE enabled")


async def send(near: Running, post: Post) -> None:
    await hurry(near)
    assert await Digests(near.ledger, post.courier).send_due() == 1


async def sent(admin: httpx.AsyncClient) -> list[dict[str, Any]]:
    answer = await admin.get("/audit", params={"eventType": "audit_digest.sent"})
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


class TestSettings:
    async def test_off_at_first(self, admin: httpx.AsyncClient) -> None:
        found = (await admin.get(PATH)).json()
        assert (found["enabled"], found["recipients"], found["nextRunAt"], found["lastSentAt"]) == (
            False,
            [],
            None,
            None,
        )

    async def test_the_next_run_is_computed(self, admin: httpx.AsyncClient) -> None:
        found = await configure(admin, frequency="weekly", hourUtc=7, riskLevels=["high", "critical"])
        moment = datetime.fromisoformat(found["nextRunAt"])
        assert moment > datetime.now(UTC)
        assert (moment.weekday(), moment.hour, moment.minute) == (0, 7, 0)
        assert found["riskLevels"] == ["high", "critical"]
        event = (await admin.get("/audit", params={"eventType": "audit_digest.updated"})).json()["items"][0]
        assert event["detail"]["recipients"] == 1
        assert "auditor@" not in str(event)
        assert (await configure(admin, enabled=False))["nextRunAt"] is None

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({"frequency": "hourly"}, "frequency"),
            ({"hourUtc": 24}, "hourUtc"),
            ({"timezone": "Mars/Base"}, "timezone"),
            ({"riskLevels": ["none"]}, "riskLevels[0]"),
            ({"riskLevels": []}, "riskLevels"),
            ({"recipients": []}, "recipients"),
            ({"recipients": ["x"]}, "recipients[0]"),
            ({"unknown": 1}, "unknown"),
        ],
    )
    async def test_what_can_not_be_is_refused_where_it_is(
        self, admin: httpx.AsyncClient, body: dict[str, Any], path: str
    ) -> None:
        answer = await admin.put(PATH, json={**ON, **body})
        assert (answer.status_code, answer.json()["details"][0]["path"]) == (400, path)


class TestMail:
    async def test_it_counts_and_lists_what_happened_since_the_last(
        self, near: Running, admin: httpx.AsyncClient, happen: Happen, post: Post
    ) -> None:
        await happen(5, "secret.revealed", risk="critical")  # before: not in it
        await configure(admin, includeCsv=True)
        await happen(3, "run.started")
        seqs = await happen(2, "secret.revealed", risk="high", resource_id="sec_1")
        await send(near, post)
        [mail] = post.mails
        assert post.envelopes == [["auditor@example.com"]]
        assert mail["From"] == "Provenance <audit@example.com>"
        body = mail.get_body()
        assert body is not None
        text = body.get_content()
        assert "2 high" in mail["Subject"]
        assert "critical" not in mail["Subject"]
        assert any(line.split() == ["secret", "0", "2", "0", "0"] for line in text.splitlines()), text
        assert any(line.split() == ["run", "0", "0", "0", "3"] for line in text.splitlines()), text
        assert text.count("secret.revealed") == 2
        [table] = mail.iter_attachments()
        rows = list(csv.DictReader(io.StringIO(table.get_content())))
        assert [int(row["seq"]) for row in rows][-2:] == seqs
        assert len(rows) == 6  # and that it was set up
        [event] = await sent(admin)
        assert event["outcome"] == "ok"
        assert (event["detail"]["events"], event["detail"]["notable"], event["detail"]["recipients"]) == (6, 2, 1)
        found = (await admin.get(PATH)).json()
        assert found["lastSentAt"] is not None
        assert found["nextRunAt"] > found["lastSentAt"]
        post.mails.clear()
        await send(near, post)
        assert "1 low" in post.mails[0]["Subject"]  # the sending of the one before
        assert "high" not in post.mails[0]["Subject"]

    async def test_a_table_that_is_too_long_says_so(
        self, near: Running, admin: httpx.AsyncClient, happen: Happen, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(composing, "CSV_ROWS", 3)
        monkeypatch.setattr(composing, "_AT_ONCE", 2)
        monkeypatch.setattr(composing, "LISTED", 2)
        await configure(admin, includeCsv=True)
        await happen(4, "secret.revealed", risk="high")
        await send(near, post)
        body = post.mails[0].get_body()
        assert body is not None
        assert "the first of them only" in body.get_content()
        assert "… and 2 more" in body.get_content()
        [table] = post.mails[0].iter_attachments()
        assert len(table.get_content().splitlines()) == 3

    async def test_only_the_risks_that_were_asked_for(
        self, near: Running, admin: httpx.AsyncClient, happen: Happen, post: Post
    ) -> None:
        await configure(admin, riskLevels=["critical"])
        await happen(1, "secret.revealed", risk="high")
        await send(near, post)
        assert "nothing happened" in post.mails[0]["Subject"]


class TestOnce:
    async def test_several_workers_send_one(self, near: Running, admin: httpx.AsyncClient, post: Post) -> None:
        await configure(admin)
        await hurry(near)
        counts = await asyncio.gather(*(Digests(near.ledger, post.courier).send_due() for _ in range(4)))
        assert sum(counts) == 1
        assert len(post.mails) == 1
        assert len(await sent(admin)) >= 1

    async def test_a_refused_one_is_tried_again(
        self, near: Running, admin: httpx.AsyncClient, happen: Happen, post: Post
    ) -> None:
        await configure(admin)
        before = len(await sent(admin))
        post.fault = lambda word: b"451 later\r\n" if word == "TEXT" else None
        await send(near, post)
        assert "code 451" in (await admin.get(PATH)).json()["lastError"]
        assert len(await sent(admin)) == before
        async with near.ledger.db.housekeeping() as tx:
            waits = (await tx.driver_sql("SELECT due_at > 0, phase FROM audit_digests")).all()
        assert waits == [(True, "waiting")]
        post.fault = lambda word: None
        post.mails.clear()
        await send(near, post)
        assert len(post.mails) == 1
        assert (await admin.get(PATH)).json()["lastError"] is None

    async def test_one_that_may_have_arrived_is_not_sent_again_and_nothing_is_lost(
        self, near: Running, admin: httpx.AsyncClient, happen: Happen, post: Post
    ) -> None:
        await configure(admin)
        await happen(1, "secret.revealed", risk="critical")
        post.silent = True
        await send(near, post)
        event = (await sent(admin))[0]
        assert event["outcome"] == "error"  # the ledger's "unknown"
        found = (await admin.get(PATH)).json()
        assert "did not say" in found["lastError"]
        assert found["nextRunAt"] is not None
        assert await Digests(near.ledger, post.courier).send_due() == 0
        post.silent = False
        await send(near, post)
        assert [("1 critical" in mail["Subject"]) for mail in post.mails] == [True, True]

    async def test_without_a_mail_server_it_says_so(self, near: Running, admin: httpx.AsyncClient) -> None:
        from provenance.notifications.mailing import Courier

        await configure(admin)
        await hurry(near)
        await Digests(near.ledger, Courier(None, "x@y")).send_due()
        assert "PROVENANCE_SMTP_URL" in (await admin.get(PATH)).json()["lastError"]


RUN = """
import asyncio, signal
from provenance.core.keyring import Keyring, load_master_key
from provenance.core.settings import Settings
from provenance.ledger.service import Ledger
from provenance.notifications.digest import tasks

async def main():
    settings = Settings()
    ledger = Ledger(settings, settings.database_url)
    ledger.use(Keyring(await load_master_key(settings.data_dir, ledger.db), ledger.db))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await tasks.run(ledger, stop, lease_seconds=1.0)
    await ledger.stop()

asyncio.run(main())
"""


async def start_worker(url: str, data_dir: Path, post: Post) -> asyncio.subprocess.Process:
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "PROVENANCE_DATA_DIR": str(data_dir),
        "PROVENANCE_SMTP_URL": post.url,
    }
    return await asyncio.create_subprocess_exec(sys.executable, "-c", RUN, env=environment)


class TestKilled:
    @pytest.mark.parametrize("handed", [False, True])
    async def test_a_worker_dies_before_and_after_the_text_was_handed_over(
        self, near: Running, admin: httpx.AsyncClient, post: Post, handed: bool
    ) -> None:
        url, data_dir = near.ledger.db.url, near.ledger.settings.data_dir
        await configure(admin)
        before = len(await sent(admin))
        await hurry(near)
        held = asyncio.Event()
        if handed:
            post.stuck = held
        else:
            post.before_data = held
        first = await start_worker(url, data_dir, post)
        async with asyncio.timeout(20):
            await post.reached.wait()
        first.kill()
        assert await first.wait() == -signal.SIGKILL
        held.set()
        post.stuck = post.before_data = None
        second = await start_worker(url, data_dir, post)
        async with asyncio.timeout(20):
            while len(await sent(admin)) == before:
                await asyncio.sleep(0.05)
        second.send_signal(signal.SIGTERM)
        assert await second.wait() == 0
        assert len(post.mails) == 1
        assert len(await sent(admin)) == before + 1
        assert (await sent(admin))[0]["outcome"] == ("error" if handed else "ok")
