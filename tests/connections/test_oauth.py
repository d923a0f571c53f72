"""OAuth end to end against a provider that speaks it: authorise, use, renew once for all, be refused, reconnect."""

import asyncio

import httpx
import pytest

from provenance.connections.errors import ConnectionBroken, ConnectionPending, ProviderAway
from provenance.connections.running import Request
from tests.conftest import Running
from tests.connections.conftest import STEP, Builder, connections_of
from tests.connections.outside import SECRET, Outside
from tests.secrets.canaries import events, tables_with

ME = Request("GET", "/user")
STALE = "UPDATE connections SET expires_at = 1 WHERE id = $1"


async def recorded(builder: Builder) -> list[str]:
    return [event.partition(".")[2] for event, _, _ in await events(builder.app, builder.workspace, "connection")]


class TestAuthorize:
    async def test_the_whole_round(self, builder: Builder, outside: Outside) -> None:
        made = await builder.make("github")
        assert (made["status"], made["scopes"]) == ("pending", ["repo", "read:user"])
        begun = await builder.begin(made["connectionId"], scopes=["repo"])
        assert begun.keys() == {"authorizationUrl", "state", "expiresAt"}
        asked = httpx.URL(begun["authorizationUrl"]).params
        assert (asked["scope"], asked["code_challenge_method"], asked["state"]) == ("repo", "S256", begun["state"])
        back = await builder.go(begun["authorizationUrl"])
        assert (back.status_code, "Connected" in back.text) == (200, True)
        after = await builder.get(made["connectionId"])
        assert (after["status"], after["scopes"], after["lastError"]) == ("active", ["repo"], None)
        assert after["expiresAt"] is not None
        reply = await connections_of(builder.app).call(builder.actor, made["connectionId"], ME, STEP)
        assert (reply.status, b"octocat" in reply.body) == (200, True)
        assert await recorded(builder) == ["created", "authorized", "accessed"]

    async def test_a_state_is_good_once(self, builder: Builder) -> None:
        made = await builder.make("github")
        begun = await builder.begin(made["connectionId"])
        assert (await builder.go(begun["authorizationUrl"])).status_code == 200
        again = await builder.web.get("/oauth/callback", params={"state": begun["state"], "code": "x"})
        assert (again.status_code, again.json()["code"]) == (400, "authorization_spent")

    @pytest.mark.parametrize("state", [None, "", "nonsense", "ws_01JDZZZZZZZZZZZZZZZZZZZZZZ.x", "é"])
    async def test_a_made_up_state_is_refused(self, builder: Builder, state: str | None) -> None:
        params = {"code": "x"} if state is None else {"code": "x", "state": state}
        for answer in (
            await builder.web.get("/oauth/callback", params=params),
            await builder.web.post("/oauth/callback", params=params),
        ):
            assert answer.status_code == 400

    async def test_another_browser_is_asked_first(self, builder: Builder, outside: Outside) -> None:
        made = await builder.make("github", name="<b>evil</b>")
        begun = await builder.begin(made["connectionId"])
        async with httpx.AsyncClient(verify=False) as victim:
            sent = await victim.get(begun["authorizationUrl"])
            query = httpx.URL(sent.headers["location"]).query.decode()
            page = await victim.get(f"{builder.app.url}/oauth/callback?{query}")
            assert "Connect this account?" in page.text
            assert "<b>evil</b>" not in page.text
            assert page.headers["x-frame-options"] == "DENY"
            assert outside.asked("/github/token") == []
            assert (await builder.get(made["connectionId"]))["status"] == "pending"
            meant = await victim.post(f"{builder.app.url}/oauth/callback?{query}")
        assert meant.status_code == 200
        assert (await builder.get(made["connectionId"]))["status"] == "active"

    async def test_a_refusal_leaves_it_pending(self, builder: Builder, outside: Outside) -> None:
        made = await builder.make("github")
        outside.refuses = "access_denied"
        back = await builder.go((await builder.begin(made["connectionId"]))["authorizationUrl"])
        assert (back.status_code, back.json()["code"]) == (400, "authorization_refused")
        assert (await builder.get(made["connectionId"]))["status"] == "pending"
        with pytest.raises(ConnectionPending):
            await connections_of(builder.app).call(builder.actor, made["connectionId"], ME, STEP)
        assert await recorded(builder) == ["created"]

    async def test_a_provider_that_is_away_leaves_it_pending(self, builder: Builder, outside: Outside) -> None:
        made = await builder.make("github")
        begun = await builder.begin(made["connectionId"])
        state = {"state": begun["state"], "code": "any"}
        outside.broken = True
        back = await builder.web.get("/oauth/callback", params=state)
        assert (back.status_code, back.json()["code"]) == (503, "provider_unavailable")
        assert (await builder.get(made["connectionId"]))["status"] == "pending"

    async def test_needs_a_client_of_ours(self, builder: Builder, app: Running) -> None:
        made = await builder.make("github")
        path = f"{app.url}/connections/{made['connectionId']}/authorize"  # a server whose operator named none
        answer = await builder.web.post(path, json={})
        assert (answer.status_code, answer.json()["code"]) == (409, "oauth_client_missing")

    async def test_a_code_is_worthless_without_the_proof_key(self, builder: Builder, outside: Outside) -> None:
        first, second = await builder.make("github"), await builder.make("github")
        theirs = await builder.begin(first["connectionId"])
        async with httpx.AsyncClient(verify=False) as browser:
            sent = await browser.get(theirs["authorizationUrl"])
        stolen = httpx.URL(sent.headers["location"]).params["code"]
        mine = await builder.begin(second["connectionId"])
        answer = await builder.web.get("/oauth/callback", params={"state": mine["state"], "code": stolen})
        assert (answer.status_code, answer.json()["code"]) == (400, "authorization_refused")

    async def test_goes_on_to_our_own_address_alone(self, builder: Builder) -> None:
        made = await builder.make("github")
        base = connections_of(builder.app).base_url
        for url in ("https://evil.example/", f"{base}.evil.example/", f"{base}@evil.example/", "javascript:alert(1)"):
            answer = await builder.web.post(f"/connections/{made['connectionId']}/authorize", json={"redirectUri": url})
            assert (answer.status_code, answer.json()["code"]) == (400, "bad_redirect_uri"), url
        begun = await builder.begin(made["connectionId"], redirectUri=f"{base}/console/connections?tab=1")
        back = await builder.go(begun["authorizationUrl"])
        assert back.status_code == 302
        assert back.headers["location"] == f"{base}/console/connections?tab=1&connectionId={made['connectionId']}"

    async def test_is_for_people_and_for_oauth(self, builder: Builder) -> None:
        made = await builder.make("pagerduty", "api_key", credential="abcdef")
        answer = await builder.web.post(f"/connections/{made['connectionId']}/authorize", json={})
        assert (answer.status_code, answer.json()["code"]) == (409, "connection_not_oauth")
        async with httpx.AsyncClient(base_url=builder.app.url, verify=False) as web:
            key = {"x-api-key": builder.workspace.key}
            answer = await web.post(f"/connections/{made['connectionId']}/authorize", json={}, headers=key)
        assert (answer.status_code, answer.json()["code"]) == (403, "people_only")


class TestRenewal:
    async def test_fifty_at_once_in_two_processes_ask_once(
        self, builder: Builder, second: Running, outside: Outside
    ) -> None:
        connection_id = await builder.connected("github")
        await builder.sql(STALE, connection_id)
        outside.calls.clear()
        outside.gate.clear()
        at_once = [
            connections_of(app).call(builder.actor, connection_id, ME, STEP)
            for _ in range(25)
            for app in (builder.app, second)
        ]
        calls = asyncio.gather(*at_once)
        while not outside.asked("/github/token"):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        outside.gate.set()
        replies = await calls
        assert {reply.status for reply in replies} == {200}
        assert len(outside.asked("/github/token")) == 1
        assert (await builder.get(connection_id))["lastRefreshedAt"] is not None

    async def test_a_refresh_token_that_is_replaced_is_replaced(self, builder: Builder, outside: Outside) -> None:
        connection_id = await builder.connected("notion")
        for _ in range(3):
            await builder.sql(STALE, connection_id)
            reply = await connections_of(builder.app).call(
                builder.actor, connection_id, Request("GET", "/users/me"), STEP
            )
            assert reply.status == 200
        sent = [form["refresh_token"] for form in outside.asked("/notion/token")[1:]]
        assert len(set(sent)) == 3

    async def test_one_that_is_not_replaced_is_kept(self, builder: Builder, outside: Outside) -> None:
        outside.rotates = False
        connection_id = await builder.connected("github")
        for _ in range(2):
            await builder.sql(STALE, connection_id)
            assert (await connections_of(builder.app).call(builder.actor, connection_id, ME, STEP)).status == 200
        assert len({form["refresh_token"] for form in outside.asked("/github/token")[1:]}) == 1

    async def test_a_token_that_the_service_does_not_take_is_renewed_once(
        self, builder: Builder, outside: Outside
    ) -> None:
        connection_id = await builder.connected("github")
        outside.tokens.clear()
        assert (await connections_of(builder.app).call(builder.actor, connection_id, ME, STEP)).status == 200
        assert len(outside.asked("/github/token")) == 2

    async def test_a_revoked_one_breaks_the_connection_until_it_is_authorised_again(
        self, builder: Builder, outside: Outside
    ) -> None:
        connection_id = await builder.connected("github")
        outside.refresh_tokens.clear()
        await builder.sql(STALE, connection_id)
        for _ in range(2):
            with pytest.raises(ConnectionBroken, match="invalid_grant"):
                await connections_of(builder.app).call(builder.actor, connection_id, ME, STEP)
        broken = await builder.get(connection_id)
        assert broken["status"] == "error"
        assert "invalid_grant" in broken["lastError"]
        resumed = await builder.web.patch(f"/connections/{connection_id}", json={"status": "active"})
        assert (resumed.status_code, resumed.json()["code"]) == (409, "connection_not_tested")
        tried = (await builder.web.post(f"/connections/{connection_id}/test", json={})).json()
        assert (tried["ok"], tried["status"]) == (False, "error")
        assert await recorded(builder) == ["created", "authorized", "error", "tested"]
        back = await builder.go((await builder.begin(connection_id))["authorizationUrl"])
        assert back.status_code == 200
        assert (await connections_of(builder.app).call(builder.actor, connection_id, ME, STEP)).status == 200

    @pytest.mark.parametrize("ran_out", [True, False])
    async def test_a_revoked_one_is_sent_once_by_two_processes(
        self, builder: Builder, second: Running, outside: Outside, ran_out: bool
    ) -> None:
        connection_id = await builder.connected("github")
        outside.refresh_tokens.clear()
        outside.tokens.clear()
        if ran_out:
            await builder.sql(STALE, connection_id)
        outside.calls.clear()
        outside.gate.clear()
        both = [connections_of(app) for app in (builder.app, second)]
        calls = asyncio.gather(
            *[connections.call(builder.actor, connection_id, ME, STEP) for connections in both for _ in range(5)],
            return_exceptions=True,
        )
        async with asyncio.timeout(20):
            while not (outside.asked("/github/token") and all(each.refresher._under_way for each in both)):
                await asyncio.sleep(0.01)
        outside.gate.set()
        assert {type(problem) for problem in await calls} == {ConnectionBroken}
        assert len(outside.asked("/github/token")) == 1
        assert (await recorded(builder)).count("error") == 1

    @pytest.mark.parametrize("mood", ["broken", "temporarily_unavailable"])
    async def test_a_provider_that_is_away_breaks_nothing(self, builder: Builder, outside: Outside, mood: str) -> None:
        connection_id = await builder.connected("github")
        await builder.sql(STALE, connection_id)
        outside.broken, outside.refuses = mood == "broken", None if mood == "broken" else mood
        with pytest.raises(ProviderAway):
            await connections_of(builder.app).call(builder.actor, connection_id, ME, STEP)
        assert (await builder.get(connection_id))["status"] == "active"
        outside.reset()
        assert (await connections_of(builder.app).call(builder.actor, connection_id, ME, STEP)).status == 200

    async def test_a_process_that_died_with_the_turn_holds_nobody_up(self, builder: Builder) -> None:
        connection_id = await builder.connected("github")
        await builder.sql(STALE, connection_id)
        dead = "UPDATE connections SET lease = gen_random_uuid(), lease_until = 1 WHERE id = $1"
        await builder.sql(dead, connection_id)
        assert (await connections_of(builder.app).call(builder.actor, connection_id, ME, STEP)).status == 200

    async def test_whoever_gives_up_waiting_does_not_spoil_it_for_others(
        self, builder: Builder, outside: Outside
    ) -> None:
        connection_id = await builder.connected("github")
        await builder.sql(STALE, connection_id)
        outside.gate.clear()
        connections = connections_of(builder.app)
        impatient = asyncio.create_task(connections.call(builder.actor, connection_id, ME, STEP))
        while len(outside.asked("/github/token")) < 2:
            await asyncio.sleep(0.01)
        patient = asyncio.create_task(connections.call(builder.actor, connection_id, ME, STEP))
        await asyncio.sleep(0.05)
        impatient.cancel()
        outside.gate.set()
        assert (await patient).status == 200
        assert len(outside.asked("/github/token")) == 2

    async def test_ready_fetches_what_a_transaction_then_needs(self, builder: Builder, outside: Outside) -> None:
        connection_id = await builder.connected("github")
        await builder.sql(STALE, connection_id)
        await connections_of(builder.app).ready(builder.actor, connection_id)
        await connections_of(builder.app).ready(builder.actor, connection_id)
        assert len(outside.asked("/github/token")) == 2
        assert await recorded(builder) == ["created", "authorized"]


class TestDelete:
    async def test_asks_the_provider_to_forget(self, builder: Builder, outside: Outside) -> None:
        connection_id = await builder.connected("github")
        assert any(outside.refresh_tokens.values())
        answer = await builder.web.delete(f"/connections/{connection_id}")
        assert answer.json() == {"deleted": True}
        [form] = outside.asked("/github/revoke")
        assert form["token"] not in outside.refresh_tokens
        assert (await builder.web.get(f"/connections/{connection_id}")).status_code == 404
        assert await recorded(builder) == ["created", "authorized", "deleted"]

    async def test_an_unreachable_provider_is_no_reason_to_stay(self, builder: Builder, outside: Outside) -> None:
        connection_id = await builder.connected("github")
        outside.broken = True
        assert (await builder.web.delete(f"/connections/{connection_id}")).json() == {"deleted": True}


class TestCanaries:
    async def test_no_token_is_in_an_answer_table_or_log(
        self, builder: Builder, outside: Outside, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("DEBUG")
        outside.tokens.clear()
        outside.refresh_tokens.clear()
        connection_id = await builder.connected("github")
        connections = connections_of(builder.app)
        echoed = await connections.call(builder.actor, connection_id, Request("POST", "/echo", {}, b"hi"), STEP)
        assert echoed.status == 200
        assert b"***" in echoed.body
        await builder.sql(STALE, connection_id)
        await connections.call(builder.actor, connection_id, ME, STEP)
        values = [*outside.tokens, *outside.refresh_tokens, SECRET]
        for token in outside.refresh_tokens:
            outside.refresh_tokens[token] = False
        await builder.sql(STALE, connection_id)
        with pytest.raises(ConnectionBroken) as caught:
            await connections.call(builder.actor, connection_id, ME, STEP)
        answers = [await builder.web.get(path) for path in ("/connections", f"/connections/{connection_id}", "/audit")]
        answers.append(await builder.web.post(f"/connections/{connection_id}/test", json={}))
        said = b"".join(answer.content for answer in answers) + echoed.body + str(caught.value).encode()
        assert len(values) >= 4
        assert [value for value in values if value.encode() in said] == []
        assert await tables_with(builder.app, *values) == []
        out, err = capfd.readouterr()
        assert [value for value in values if value in out + err + caplog.text] == []
