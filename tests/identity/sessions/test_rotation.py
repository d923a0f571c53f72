"""Refresh tokens, whatever the order they are used in: the session lives as long as nobody uses one twice."""

import asyncio
from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.core import ids
from provenance.core.actor import Role
from provenance.identity.sessions import service
from provenance.identity.sessions.errors import SessionOver
from provenance.identity.sessions.schemas import Mode, Proof
from tests.conftest import Running, Tenant
from tests.identity.conftest import MakePerson, Someone, age_session, identity_of, sign_in


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(uses=st.lists(st.integers(0, 3), max_size=8))
async def test_a_second_use_of_any_token_ends_it_for_good(app: Running, made: Proof, uses: list[int]) -> None:
    """Each use picks a token by its age: 0 the newest. Only the newest works, and only until an older one came."""
    identity = identity_of(app)
    tokens = [(await service.start(identity, made, Mode.TOKEN)).refresh_token]
    alive = True
    for age in uses:
        picked = tokens[-1 - min(age, len(tokens) - 1)]
        fresh = picked == tokens[-1]
        try:
            tokens.append((await service.refresh(identity, picked)).refresh_token)
            worked = True
        except SessionOver:
            worked = False
        assert worked == (alive and fresh)
        alive = alive and fresh


async def test_of_many_at_once_one_wins_and_the_session_ends(
    app: Running, web: httpx.AsyncClient, someone: Someone
) -> None:
    token = (await sign_in(web, someone))["refreshToken"]

    async def use() -> httpx.Response:
        return await web.post("/auth/refresh", json={"refreshToken": token})

    answers = await asyncio.gather(*[use() for _ in range(6)])
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401, 401]
    [winner] = [answer.json() for answer in answers if answer.status_code == 200]
    assert (await web.post("/auth/refresh", json={"refreshToken": winner["refreshToken"]})).status_code == 401


async def test_tokens_are_stored_hashed(app: Running, web: httpx.AsyncClient, someone: Someone) -> None:
    token = (await sign_in(web, someone))["refreshToken"]
    async with app.ledger.db.housekeeping() as tx:
        rows: Any = (await tx.driver_sql("SELECT digest FROM refresh_tokens")).scalars().all()
    assert token.encode() not in b"".join(rows)


async def test_switching_the_workspace_keeps_the_session(
    app: Running, web: httpx.AsyncClient, make_person: MakePerson, make_tenant: Any
) -> None:
    someone, other = await make_person(), await make_tenant()
    person_id = ids.decode("user", someone.id)
    assert person_id is not None
    async with app.ledger.db.housekeeping(ids.decode("ws", other.id)) as tx:
        await service.people.insert_member(tx, person_id, Role.ADMIN.name.lower())
    first = await sign_in(web, someone, workspaceId=someone.workspace.id)
    actor = await identity_of(app).authenticate({b"authorization": f"Bearer {first['accessToken']}".encode()})
    assert actor is not None
    workspace_id = ids.decode("ws", other.id)
    assert workspace_id is not None
    async with app.ledger.db.housekeeping(workspace_id) as tx:
        tx._actor = actor
        started = await service.switch(tx, identity_of(app), workspace_id)
    headers = {"authorization": f"Bearer {started.access_token}"}
    assert (await web.get("/auth/session", headers=headers)).json()["role"] == "admin"
    refreshed = (await web.post("/auth/refresh", json={"refreshToken": first["refreshToken"]})).json()
    assert refreshed["workspace"]["workspaceId"] == other.id


async def test_a_member_who_was_removed_refreshes_no_more(
    app: Running, web: httpx.AsyncClient, someone: Someone, workspace: Tenant
) -> None:
    token = (await sign_in(web, someone))["refreshToken"]
    async with app.ledger.db.housekeeping() as tx:
        await tx.driver_sql("DELETE FROM members WHERE person_id = $1", (ids.decode("user", someone.id),))
    assert (await web.post("/auth/refresh", json={"refreshToken": token})).status_code == 401


async def test_a_session_ends_one_day_however_often_it_is_refreshed(
    app: Running, web: httpx.AsyncClient, someone: Someone
) -> None:
    signed_in = await sign_in(web, someone)
    await age_session(app, signed_in, 181 * 24 * 60)
    first = await web.post("/auth/refresh", json={"refreshToken": signed_in["refreshToken"]})
    second = await web.post("/auth/refresh", json={"refreshToken": first.json()["refreshToken"]})
    assert (first.status_code, second.status_code) == (200, 401)
