"""Letters: who gets one when, what it says, and what becomes of one that could not be sent."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from provenance.approvals import tasks
from provenance.approvals.letters.sending import Postman
from provenance.core.actor import Role
from provenance.core.clock import NANOS
from provenance.notifications.mailing import Courier
from tests.approvals.conftest import Workflows, decide
from tests.approvals.letters.conftest import Mailbox, browser, feeding, mailbox, post, scalar
from tests.conftest import Running, Tenant
from tests.identity.people import As, MakeAs

__all__ = ["browser", "feeding", "mailbox", "post"]

INBOX, PREFERENCES = "/api/notifications/inbox", "/api/notifications/preferences"
NOW = datetime.now(UTC)
QUIET_NOW = {"from": f"{NOW - timedelta(hours=6):%H:%M}", "to": f"{NOW + timedelta(hours=6):%H:%M}"}


async def events(someone: As) -> list[tuple[str, bool]]:
    """Return what is in an inbox, the oldest first, and whether it is read."""
    items = (await someone.get(INBOX)).json()["items"]
    return [(each["eventType"], each["readAt"] is not None) for each in reversed(items)]


class TestWho:
    async def test_everybody_asked_gets_a_mail_and_a_link_of_their_own(
        self, workflows: Workflows, mailbox: Mailbox, make_as: MakeAs
    ) -> None:
        finance, other = await make_as(Role.VIEWER, groups=("finance",)), await make_as(Role.VIEWER)
        editor, admin = await make_as(Role.EDITOR), await make_as(Role.ADMIN)
        assignees = [{"kind": "group", "id": "finance"}, {"kind": "role", "id": "editor"}]
        approval = await workflows.ask(assignees=assignees, title="Pay?")
        await mailbox.collect(3)
        assert sorted(mailbox.post.envelopes) == sorted([[finance.email], [editor.email], [admin.email]])
        assert len({mailbox.link(each) for each in (finance, editor, admin)}) == 3
        [entry] = (await finance.get(INBOX)).json()["items"]
        assert (entry["objectId"], entry["title"], entry["risk"]) == (approval["approvalId"], "Pay?", "medium")
        assert await events(other) == []

    async def test_who_wants_none_finds_it_in_their_inbox(
        self, workflows: Workflows, mailbox: Mailbox, admin: As, make_as: MakeAs
    ) -> None:
        quiet = await make_as(Role.ADMIN)
        await quiet.put(PREFERENCES, json={"approvalMail": False})
        await workflows.ask(assignees=[{"kind": "role", "id": "admin"}])
        await mailbox.collect()
        assert mailbox.post.envelopes == [[admin.email]]
        assert await events(quiet) == [("approval.requested", False)]

    async def test_an_escalation_is_told_to_who_is_asked_besides(
        self, app: Running, workflows: Workflows, mailbox: Mailbox, admin: As, make_as: MakeAs
    ) -> None:
        boss = await make_as(Role.VIEWER)
        await workflows.ask(
            title="Escalates?",
            assignees=[{"kind": "user", "id": admin.id}],
            onBreach="escalate",
            escalateTo=[{"kind": "user", "id": boss.id}],
        )
        await mailbox.collect()
        async with app.ledger.db.housekeeping() as tx:
            await tx.driver_sql("UPDATE approvals SET due_at = 0 WHERE title = 'Escalates?'")
        await tasks.look(app.ledger, app.door.framework.state.engine)
        await mailbox.collect(2)
        assert mailbox.to(boss)["Subject"] == "[Provenance] Approval escalated to you (medium): Escalates?"
        assert mailbox.to(admin)["Subject"] == "[Provenance] Approval overdue (medium): Escalates?"
        assert await events(boss) == [("approval.escalated", False)]
        assert await events(admin) == [("approval.requested", False), ("approval.sla_breach", False)]


class TestWhen:
    @pytest.mark.parametrize(("risk", "waits"), [("medium", True), ("high", False)])
    async def test_quiet_hours_hold_up_what_is_not_urgent(
        self, app: Running, workflows: Workflows, mailbox: Mailbox, admin: As, risk: str, waits: bool
    ) -> None:
        await admin.put(PREFERENCES, json={"quietHours": QUIET_NOW})
        await workflows.ask(risk=risk, assignees=[{"kind": "user", "id": admin.id}])
        sent = await mailbox.collect()
        assert (sent == []) == waits
        async with app.ledger.db.housekeeping() as tx:
            left = (await tx.driver_sql("SELECT due_at - created_at FROM approval_letters")).scalars().all()
        assert [each > 4 * 3600 * NANOS for each in left] == [True] * waits

    async def test_what_was_decided_meanwhile_is_told_nobody(
        self, workflows: Workflows, mailbox: Mailbox, admin: As
    ) -> None:
        approval = await workflows.ask(assignees=[{"kind": "user", "id": admin.id}])
        await mailbox.waiting()
        await decide(admin, approval["approvalId"])
        assert await mailbox.collect() == []
        assert await mailbox.read_by(admin) == [("approval.requested", True)]


class TestFailures:
    async def test_a_refused_letter_is_sent_again_under_the_same_name_with_a_link_that_works(
        self, app: Running, workflows: Workflows, mailbox: Mailbox, admin: As, browser: httpx.AsyncClient
    ) -> None:
        await workflows.ask(assignees=[{"kind": "user", "id": admin.id}])
        mailbox.post.fault = lambda word: b"451 later\r\n" if word == "TEXT" else None
        await mailbox.collect()
        assert await scalar(app, "SELECT failures FROM approval_letters") == 1
        mailbox.post.fault = lambda word: None
        async with app.ledger.db.housekeeping() as tx:
            await tx.driver_sql("UPDATE approval_letters SET due_at = 0")
        await mailbox.collect()
        assert len({mail["Message-ID"] for mail in mailbox.post.mails}) == 1
        assert (await browser.get(mailbox.link(admin))).status_code == 200
        assert await scalar(app, "SELECT count(*) FROM approval_letters") == 0

    async def test_after_a_day_it_is_given_up_and_recorded(
        self, app: Running, workflows: Workflows, mailbox: Mailbox, admin: As
    ) -> None:
        approval = await workflows.ask(assignees=[{"kind": "user", "id": admin.id}])
        await mailbox.waiting()
        async with app.ledger.db.housekeeping() as tx:
            await tx.driver_sql("UPDATE approval_letters SET created_at = 0")
        mailbox.post.fault = lambda word: b"554 no\r\n" if word == "MAIL" else None
        await mailbox.collect()
        event = (await admin.get("/audit", params={"eventType": "notifications.undelivered"})).json()["items"][0]
        detail = event["detail"]
        assert (detail["approvalId"], detail["to"], detail["channel"]) == (approval["approvalId"], admin.id, "email")

    async def test_without_a_mail_server_nothing_piles_up(
        self, app: Running, workflows: Workflows, mailbox: Mailbox, admin: As
    ) -> None:
        await workflows.ask(assignees=[{"kind": "user", "id": admin.id}])
        await mailbox.waiting()
        await Postman(app.ledger, Courier(None, "audit@example.com")).deliver()
        assert await scalar(app, "SELECT count(*) FROM approval_letters") == 0


async def test_no_token_is_kept(
    app: Running, workspace: Tenant, workflows: Workflows, mailbox: Mailbox, admin: As
) -> None:
    await workflows.ask(assignees=[{"kind": "user", "id": admin.id}])
    await mailbox.collect()
    secret = mailbox.link(admin).partition("token=")[2].split("_", 2)[2]  # it may hold the character itself
    assert len(secret) > 20
    kept: list[Any] = []
    async with app.ledger.db.housekeeping() as tx:
        for table in ("approval_links", "approval_letters", "notification_inbox", "approvals"):
            kept += (await tx.driver_sql(f"SELECT t::text FROM {table} AS t")).scalars().all()
    assert kept
    assert secret not in str(kept)
