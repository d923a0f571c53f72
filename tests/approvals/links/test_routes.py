"""A mail's link over HTTP: it opens a page, decides once, and only what its person may decide over the API."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from provenance.core.actor import Role
from tests.approvals.conftest import Workflows, code_of, decide
from tests.approvals.letters.conftest import Mailbox, scalar
from tests.conftest import MakeTenant, Running, Tenant
from tests.identity.conftest import Someone, make_person_of, some_address
from tests.identity.people import As, MakeAs, also_in, rows
from tests.identity.totp.test_routes import enrolled


def token_of(link: str) -> str:
    return parse_qs(urlsplit(link).query)["token"][0]


async def post_form(
    web: httpx.AsyncClient, link: str, decision: str = "approve", comment: str = "", by: As | None = None, **more: str
) -> httpx.Response:
    """Send the page's form, as a browser does, in which somebody may be signed in."""
    form = {"token": token_of(link), "comment": comment, "decision": decision, **more}
    headers = {} if by is None else {"authorization": by.headers["authorization"]}
    return await web.post(urlsplit(link).path, data=form, headers=headers)


@pytest.fixture
async def reviewer(make_as: MakeAs) -> As:
    """Somebody who reads and is asked."""
    return await make_as(Role.VIEWER)


async def asked(workflows: Workflows, mailbox: Mailbox, *people: As | Someone, **config: Any) -> dict[str, Any]:
    """Return an approval that these people were asked for by mail."""
    assignees = [{"kind": "user", "id": each.id} for each in people]
    approval = await workflows.ask(assignees=assignees, **config)
    await mailbox.collect(len(people))
    return approval


class TestTheWholeWay:
    async def test_mail_link_page_decision_and_the_run_goes_on(
        self,
        app: Running,
        workspace: Tenant,
        workflows: Workflows,
        mailbox: Mailbox,
        reviewer: As,
        browser: httpx.AsyncClient,
        worker: None,
    ) -> None:
        approval = await asked(workflows, mailbox, reviewer, title="Pay <b>ACME</b>?", summary="Two invoices")
        mail = mailbox.to(reviewer)
        assert mail["Subject"] == "[Provenance] Approval asked (medium): Pay <b>ACME</b>?"
        assert approval["approvalId"] in mail.get_content()
        page = await browser.get(mailbox.link(reviewer))
        assert page.status_code == 200
        assert "Pay &lt;b&gt;ACME&lt;/b&gt;?" in page.text
        assert "<b>" not in page.text
        assert "<script" not in page.text
        assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
        assert (page.headers["cache-control"], page.headers["referrer-policy"]) == ("no-store", "no-referrer")
        assert (await reviewer.get(f"/approvals/{approval['approvalId']}")).json()["decisions"] == []
        done = await post_form(browser, mailbox.link(reviewer), comment="Fine.", by=reviewer)
        assert done.status_code == 200, done.text
        run = await workflows.ended(approval["runId"])
        assert (run["status"], run["output"]["decidedBy"], run["output"]["comment"]) == (
            "completed", reviewer.id, "Fine.",
        )  # fmt: skip
        [told] = [each[2] for each in await rows(app, workspace.id, "APPROVAL") if each[0] == "approval.approved"]
        assert (told["origin"], told["linkId"][:4], told["approvals"]) == ("mail link", "apl_", [reviewer.id])

    async def test_a_rejection_says_why(
        self, workflows: Workflows, mailbox: Mailbox, reviewer: As, browser: httpx.AsyncClient
    ) -> None:
        approval = await asked(workflows, mailbox, reviewer)
        link = mailbox.link(reviewer)
        assert (await post_form(browser, link, "reject", "  ", by=reviewer)).status_code == 400
        assert (await post_form(browser, link, "reject", "Not this one.", by=reviewer)).status_code == 200
        found = (await reviewer.get(f"/approvals/{approval['approvalId']}")).json()
        assert (found["status"], found["rejectedBy"]) == ("rejected", reviewer.id)

    async def test_programs_get_json(self, app: Running, workflows: Workflows, mailbox: Mailbox, reviewer: As) -> None:
        approval = await asked(workflows, mailbox, reviewer, requiredApprovals=2)
        path = f"/approvals/{approval['approvalId']}/decide"
        async with httpx.AsyncClient(base_url=app.url, headers={"x-forwarded-for": some_address()}) as program:
            program.headers["authorization"] = reviewer.headers["authorization"]
            body = {"token": token_of(mailbox.link(reviewer)), "decision": "approve"}
            answer = await program.post(path, json=body)
            assert (answer.status_code, answer.json()["status"]) == (200, "pending")
            assert code_of(await program.post(path, json=body)) == (409, "link_used")
            assert code_of(await program.post(path, json={**body, "more": 1})) == (400, "bad_link_decision")
            assert code_of(await program.post(path, content=b"\xff")) == (400, "bad_link_decision")


class TestItDecidesOnce:
    async def test_a_second_time_it_says_that_it_was_used(
        self, workflows: Workflows, mailbox: Mailbox, reviewer: As, browser: httpx.AsyncClient
    ) -> None:
        await asked(workflows, mailbox, reviewer, requiredApprovals=2)
        link = mailbox.link(reviewer)
        assert (await post_form(browser, link, by=reviewer)).status_code == 200
        for again in (await post_form(browser, link, by=reviewer), await browser.get(link)):
            assert again.status_code == 409
            assert "used already" in again.text

    async def test_the_link_of_a_reminder_is_used_up_as_well(
        self, app: Running, workflows: Workflows, mailbox: Mailbox, reviewer: As, browser: httpx.AsyncClient
    ) -> None:
        approval = await asked(workflows, mailbox, reviewer, requiredApprovals=2)
        first = mailbox.link(reviewer)
        await decide_by_clock(app, workflows, approval)
        await mailbox.collect()
        second = mailbox.link(reviewer)
        assert mailbox.to(reviewer)["Subject"].startswith("[Provenance] Approval overdue (medium)")
        assert (await post_form(browser, second, by=reviewer)).status_code == 200
        assert (await post_form(browser, first, by=reviewer)).status_code == 409

    async def test_what_somebody_else_decided_is_decided(
        self, workflows: Workflows, mailbox: Mailbox, reviewer: As, admin: As, browser: httpx.AsyncClient
    ) -> None:
        approval = await asked(workflows, mailbox, reviewer)
        await decide(admin, approval["approvalId"])
        answer = await post_form(browser, mailbox.link(reviewer), by=reviewer)
        assert (answer.status_code, "approved already" in answer.text) == (409, True)


async def decide_by_clock(app: Running, workflows: Workflows, approval: dict[str, Any]) -> None:
    """Let the decision be overdue."""
    from provenance.approvals import tasks

    async with app.ledger.db.housekeeping() as tx:
        await tx.driver_sql(
            "UPDATE approvals SET due_at = 0 WHERE run_id IN (SELECT id FROM runs) AND status = 'pending' "
            "AND title = $1", (approval["title"],),
        )  # fmt: skip
    await tasks.look(app.ledger, app.door.framework.state.engine)


class TestTheSameChecksAsTheApi:
    async def test_what_was_changed_is_shown_and_not_decided(
        self, workflows: Workflows, mailbox: Mailbox, reviewer: As, admin: As, browser: httpx.AsyncClient
    ) -> None:
        approval = await asked(workflows, mailbox, reviewer, payload={"amount": 5})
        old = mailbox.link(reviewer)
        await admin.patch(f"/approvals/{approval['approvalId']}", json={"payload": {"amount": "<i>9"}})
        page = await browser.get(old)
        assert page.status_code == 409
        assert "5 → &lt;i&gt;9" in page.text
        assert "<form" not in page.text
        answer = await post_form(browser, old, by=reviewer)
        assert (answer.status_code, "amount" in answer.text) == (409, True)
        await mailbox.collect()
        assert mailbox.to(reviewer)["Subject"].startswith("[Provenance] Approval changed (medium)")
        assert (await post_form(browser, mailbox.link(reviewer), by=reviewer)).status_code == 200

    async def test_who_started_the_run_may_only_reject_high_risk(
        self, workflows: Workflows, mailbox: Mailbox, browser: httpx.AsyncClient, make_as: MakeAs
    ) -> None:
        starter = await make_as(Role.EDITOR)
        assignees = [{"kind": "user", "id": starter.id}]
        await workflows.ask(by=starter, assignees=assignees, risk="high")
        await mailbox.collect()
        page = await browser.get(mailbox.link(starter))
        assert (page.status_code, 'value="approve"' in page.text, 'value="reject"' in page.text) == (200, False, True)
        assert (await post_form(browser, mailbox.link(starter), by=starter)).status_code == 403
        assert (await post_form(browser, mailbox.link(starter), "reject", "Mine.", by=starter)).status_code == 200

    async def test_who_is_asked_no_more_decides_nothing(
        self, workflows: Workflows, mailbox: Mailbox, reviewer: As, admin: As, browser: httpx.AsyncClient
    ) -> None:
        approval = await asked(workflows, mailbox, reviewer)
        body = {"assignees": [{"kind": "user", "id": admin.id}]}
        assert (await admin.patch(f"/approvals/{approval['approvalId']}", json=body)).status_code == 200
        assert (await post_form(browser, mailbox.link(reviewer), by=reviewer)).status_code == 403
        await admin.delete(f"/workspace/members/{reviewer.id}")
        assert (await post_form(browser, mailbox.link(reviewer), by=reviewer)).status_code == 404

    async def test_critical_risk_and_passkeys_ask_to_sign_in(
        self, workflows: Workflows, mailbox: Mailbox, reviewer: As, make_as: MakeAs
    ) -> None:
        second = await make_as(Role.VIEWER)
        await asked(workflows, mailbox, reviewer, second, risk="critical")
        await asked(workflows, mailbox, reviewer, second, requirePasskey=True)
        for mail, to in zip(mailbox.post.mails, mailbox.post.envelopes, strict=True):
            assert to in ([reviewer.email], [second.email])
            assert "token=" not in mail.get_content()
            assert "/console/approvals/appr_" in mail.get_content()
        assert len(mailbox.post.mails) == 4

    async def test_a_link_made_before_a_policy_asks_to_sign_in(
        self, app: Running, workflows: Workflows, mailbox: Mailbox, reviewer: As, browser: httpx.AsyncClient
    ) -> None:
        approval = await asked(workflows, mailbox, reviewer, title="Tightened?")
        async with app.ledger.db.housekeeping() as tx:
            await tx.driver_sql("UPDATE approvals SET passkey = true WHERE title = $1", (approval["title"],))
        link = mailbox.link(reviewer)
        for answer in (await browser.get(link), await post_form(browser, link, by=reviewer)):
            assert (answer.status_code, "Sign in to decide it" in answer.text) == (403, True)

    async def test_over_its_time(
        self, app: Running, workflows: Workflows, mailbox: Mailbox, reviewer: As, browser: httpx.AsyncClient
    ) -> None:
        await asked(workflows, mailbox, reviewer)
        link = mailbox.link(reviewer)
        async with app.ledger.db.housekeeping() as tx:
            await tx.driver_sql("UPDATE approval_links SET good_until = 0")
        answer = await post_form(browser, link, by=reviewer)
        assert (answer.status_code, "time of this link is over" in answer.text) == (409, True)

    async def test_it_expires_with_its_approval(
        self, app: Running, workflows: Workflows, mailbox: Mailbox, reviewer: As
    ) -> None:
        await asked(workflows, mailbox, reviewer, expiresMinutes=7)
        sql = (
            "SELECT count(*) FROM approval_links AS l JOIN approvals AS a "
            "ON a.workspace_id = l.workspace_id AND a.id = l.approval_id AND a.expires_at = l.good_until"
        )
        assert await scalar(app, sql) == 1


class TestSigningIn:
    """The link opens; who decides says who they are."""

    @pytest.fixture
    async def someone(self, app: Running, workspace: Tenant) -> Someone:
        return await make_person_of(app, workspace, Role.VIEWER)

    async def test_the_link_alone_decides_nothing(
        self, workflows: Workflows, mailbox: Mailbox, someone: Someone, admin: As, browser: httpx.AsyncClient
    ) -> None:
        approval = await asked(workflows, mailbox, someone)
        link = mailbox.link(someone)
        assert 'type="password"' in (await browser.get(link)).text
        answer = await post_form(browser, link)
        assert (answer.status_code, "takes your password" in answer.text) == (401, True)
        assert (await admin.get(f"/approvals/{approval['approvalId']}")).json()["status"] == "pending"

    async def test_the_password_comes_with_the_decision(
        self, workflows: Workflows, mailbox: Mailbox, someone: Someone, admin: As, browser: httpx.AsyncClient
    ) -> None:
        approval = await asked(workflows, mailbox, someone)
        link = mailbox.link(someone)
        wrong = await post_form(browser, link, password=f"{someone.password}!")
        assert (wrong.status_code, someone.password in wrong.text) == (401, False)
        assert (await post_form(browser, link, password=someone.password)).status_code == 200
        found = (await admin.get(f"/approvals/{approval['approvalId']}")).json()
        assert (found["status"], found["approvedBy"]) == ("approved", someone.id)

    async def test_the_code_as_well_where_the_account_has_one(
        self, app: Running, workflows: Workflows, mailbox: Mailbox, someone: Someone, browser: httpx.AsyncClient
    ) -> None:
        async with httpx.AsyncClient(base_url=app.url, headers={"x-forwarded-for": some_address()}) as web:
            _, recovery, _ = await enrolled(web, someone)
        await asked(workflows, mailbox, someone)
        link = mailbox.link(someone)
        first = await post_form(browser, link, password=someone.password)
        assert (first.status_code, "one-time code" in first.text) == (401, True)
        assert (await post_form(browser, link, password=someone.password, otp=recovery[0])).status_code == 200

    async def test_wrong_passwords_are_slowed_as_at_the_log_in(
        self, workflows: Workflows, mailbox: Mailbox, someone: Someone, browser: httpx.AsyncClient
    ) -> None:
        await asked(workflows, mailbox, someone)
        link = mailbox.link(someone)
        answers = [(await post_form(browser, link, password="wrong")).status_code for _ in range(12)]
        assert answers[:5] == [401] * 5, "as many as are free at the log-in"
        assert 429 in answers[5:]


class TestItIsOnePersons:
    async def test_somebody_else_who_is_signed_in_decides_nothing_by_it(
        self, workflows: Workflows, mailbox: Mailbox, reviewer: As, admin: As
    ) -> None:
        await asked(workflows, mailbox, reviewer)
        link = mailbox.link(reviewer)
        assert code_of(await admin.get(link)) == (403, "not_your_link")
        assert code_of(await post_form(admin, link)) == (403, "not_your_link")
        assert (await reviewer.get(link)).status_code == 200
        assert (await post_form(reviewer, link)).status_code == 200

    async def test_on_another_approval_it_is_none(
        self, workflows: Workflows, mailbox: Mailbox, reviewer: As, browser: httpx.AsyncClient
    ) -> None:
        await asked(workflows, mailbox, reviewer)
        token = token_of(mailbox.link(reviewer))
        another = await asked(workflows, mailbox, reviewer, title="Another?")
        elsewhere = f"/approvals/{another['approvalId']}/decide?token={token}"
        assert (await browser.get(elsewhere)).status_code == 404
        assert (await post_form(browser, elsewhere, by=reviewer)).status_code == 404

    async def test_of_another_workspace_it_is_none(
        self,
        app: Running,
        workflows: Workflows,
        mailbox: Mailbox,
        reviewer: As,
        make_tenant: MakeTenant,
        browser: httpx.AsyncClient,
    ) -> None:
        await asked(workflows, mailbox, reviewer)
        other = await make_tenant()
        await also_in(app, reviewer, other, Role.ADMIN)
        path, _, token = mailbox.link(reviewer).partition("?token=")
        moved = f"{path}?token=pva_{other.id.removeprefix('ws_')}_{token.rpartition('_')[2]}"
        assert (await browser.get(moved)).status_code == 404


class TestGuesses:
    async def test_are_slowed_and_the_right_one_is_not_counted(
        self, workflows: Workflows, mailbox: Mailbox, reviewer: As, browser: httpx.AsyncClient
    ) -> None:
        await asked(workflows, mailbox, reviewer)
        link = mailbox.link(reviewer)
        for _ in range(40):
            assert (await browser.get(link)).status_code == 200
        wrong = f"{urlsplit(link).path}?token=nothing"
        answers = [(await browser.get(wrong)).status_code for _ in range(31)]
        assert set(answers[:29]) == {404}
        slowed = await browser.get(wrong)
        assert slowed.status_code == 429
        assert int(slowed.headers["retry-after"]) > 0
        assert (await browser.get(link)).status_code == 429
