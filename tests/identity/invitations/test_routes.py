"""Invitations: made by the members' side, accepted by new people and by people who have an account."""

import httpx
import pytest

from provenance.core import ids
from provenance.core.actor import Actor, Kind, Role
from provenance.identity.errors import AlreadyMember
from provenance.identity.invitations import service
from provenance.identity.invitations.schemas import Invited
from tests.conftest import MakeTenant, Running, Tenant
from tests.identity.conftest import (
    PASSWORD,
    MailCatcher,
    Someone,
    bearer,
    events,
    identity_of,
    new_email,
    sign_in,
    token_in,
)


async def invite(app: Running, workspace: Tenant, email: str, role: Role = Role.VIEWER) -> Invited:
    workspace_id = ids.decode("ws", workspace.id)
    assert workspace_id is not None
    admin = Actor(Kind.PERSON, "user_test", workspace_id, role=Role.ADMIN)
    async with app.ledger.db.write(admin) as tx:
        return await service.invite(tx, identity_of(app), email=email, role=role, groups=["approvers"])


class TestInvite:
    async def test_it_mails_a_link_that_lets_a_new_person_in(
        self, mailing: Running, mail_web: httpx.AsyncClient, mails: MailCatcher, workspace: Tenant
    ) -> None:
        email = new_email()
        invited = await invite(mailing, workspace, email)
        assert invited.mailed
        token = token_in(await mails.to(email))
        body = {"token": token, "password": PASSWORD, "name": "Ada"}
        found = (await mail_web.post("/auth/accept-invite", json=body)).json()
        assert found["user"] == {"userId": invited.user_id, "email": email, "name": "Ada"}
        assert found["workspace"]["role"] == "viewer"
        session = (await mail_web.get("/auth/session", headers=bearer(found))).json()
        assert session["groups"] == ["approvers"]
        named = [event for event, _ in await events(mailing, workspace.id, invited.user_id)]
        assert named == ["member.invited", "member.joined", "auth.login"]
        assert (await mail_web.post("/auth/accept-invite", json=body)).json()["code"] == "ticket_spent"

    async def test_nobody_signs_in_before_accepting(
        self, app: Running, web: httpx.AsyncClient, workspace: Tenant
    ) -> None:
        email = new_email()
        await invite(app, workspace, email)
        assert (await web.post("/auth/login", json={"email": email, "password": PASSWORD})).status_code == 401

    async def test_a_member_is_not_invited_again(self, app: Running, someone: Someone) -> None:
        with pytest.raises(AlreadyMember):
            await invite(app, someone.workspace, someone.email.upper())

    async def test_a_second_invitation_replaces_the_first(
        self, app: Running, web: httpx.AsyncClient, workspace: Tenant
    ) -> None:
        email = new_email()
        first, second = await invite(app, workspace, email), await invite(app, workspace, email, Role.EDITOR)
        assert first.person_id == second.person_id
        assert not second.mailed
        answers = [
            await web.post("/auth/accept-invite", json={"token": token_in(each.accept_url), "password": PASSWORD})
            for each in (first, second)
        ]
        assert [answer.status_code for answer in answers] == [400, 200]
        assert answers[1].json()["workspace"]["role"] == "editor"


class TestAcceptInvite:
    async def test_who_has_an_account_proves_it(
        self, app: Running, web: httpx.AsyncClient, someone: Someone, make_tenant: MakeTenant
    ) -> None:
        other = await make_tenant()
        body = {"token": token_in((await invite(app, other, someone.email)).accept_url), "password": "wrong horse batt"}
        refused = await web.post("/auth/accept-invite", json=body)
        assert (refused.status_code, refused.json()["code"]) == (401, "bad_credentials")
        found = await web.post("/auth/accept-invite", json={**body, "password": someone.password})
        assert found.json()["workspace"]["workspaceId"] == other.id
        assert (await sign_in(web, someone, workspaceId=someone.workspace.id))["workspace"]["role"] == "editor"

    async def test_a_weak_password_does_not_use_the_link_up(
        self, app: Running, web: httpx.AsyncClient, workspace: Tenant
    ) -> None:
        token = token_in((await invite(app, workspace, new_email())).accept_url)
        weak = await web.post("/auth/accept-invite", json={"token": token, "password": "short"})
        assert (weak.status_code, weak.json()["code"]) == (400, "weak_password")
        good = await web.post("/auth/accept-invite", json={"token": token, "password": PASSWORD})
        assert good.status_code == 200
