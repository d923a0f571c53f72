"""Sign-on through a provider that speaks the real protocol, and through one that cheats."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.jwk import RSAKey
from pydantic import SecretStr

from provenance.core.settings import Settings
from tests.conftest import Running, running
from tests.identity.conftest import Someone, bearer, events, new_email, some_address
from tests.identity.oidc.provider import CLIENT, SECRET, OidcProvider, serve


@pytest.fixture(scope="module")
async def provider() -> AsyncIterator[OidcProvider]:
    """The provider."""
    found = OidcProvider()
    server, serving = await serve(found)
    yield found
    server.should_exit = True
    await serving


@pytest.fixture(scope="module")
async def trusting(settings: Settings, provider: OidcProvider, app: Running) -> AsyncIterator[Running]:
    """A server over the run's database that trusts the provider."""
    chosen = {"oidc_issuer": provider.issuer, "oidc_client_id": CLIENT, "oidc_client_secret": SecretStr(SECRET)}
    async with running(settings.model_copy(update=chosen)) as found:
        yield found


@pytest.fixture
async def site(trusting: Running, provider: OidcProvider) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at the server that trusts the provider."""
    provider.spoilt = {}
    headers = {"x-forwarded-for": some_address()}
    async with httpx.AsyncClient(base_url=trusting.url, headers=headers, timeout=30, verify=False) as found:
        yield found


def be(provider: OidcProvider, someone: Someone, **more: Any) -> None:
    """Let the provider know someone, verified."""
    provider.claims = {"sub": f"sub of {someone.id}", "email": someone.email, "email_verified": True, **more}


async def visited(url: str) -> dict[str, str]:
    """Go to the provider; return what it sends back with the browser."""
    async with httpx.AsyncClient(verify=False) as browser:
        answer = await browser.get(url)
    assert answer.status_code == 302, answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


async def signed_on(site: httpx.AsyncClient) -> httpx.Response:
    begun = (await site.post("/auth/oidc/login", json={})).json()
    return await site.post("/auth/oidc/callback", json=await visited(begun["authorizationUrl"]))


class TestSignOn:
    async def test_a_verified_address_signs_its_person_in(
        self, site: httpx.AsyncClient, provider: OidcProvider, trusting: Running, someone: Someone
    ) -> None:
        be(provider, someone)
        found = (await signed_on(site)).json()
        assert found["user"]["userId"] == someone.id
        assert (await site.get("/auth/me", headers=bearer(found))).status_code == 200
        assert (await events(trusting, someone.workspace.id))[-1][1]["methods"] == ["oidc"]

    async def test_from_then_on_the_providers_own_name_counts(
        self, site: httpx.AsyncClient, provider: OidcProvider, someone: Someone
    ) -> None:
        be(provider, someone)
        await signed_on(site)
        be(provider, someone, email=new_email(), email_verified=False)
        assert (await signed_on(site)).json()["user"]["userId"] == someone.id

    @pytest.mark.parametrize("more", [{"email_verified": False}, {"email_verified": "true"}, {"email": "x@nowhere"}])
    async def test_whom_nobody_invited_or_verified_stays_out(
        self, site: httpx.AsyncClient, provider: OidcProvider, someone: Someone, more: dict[str, Any]
    ) -> None:
        be(provider, someone, **more)
        answer = await signed_on(site)
        assert (answer.status_code, answer.json()["code"]) == (401, "oidc_refused")

    @pytest.mark.parametrize(
        "spoilt",
        [{"iss": "https://evil.example"}, {"aud": "another"}, {"aud": [CLIENT, "another"]}, {"nonce": "old"},
         {"exp": 1}, {"exp": None}, {"sub": None}],
    )  # fmt: skip
    async def test_a_token_for_something_else_is_refused(
        self, site: httpx.AsyncClient, provider: OidcProvider, someone: Someone, spoilt: dict[str, Any]
    ) -> None:
        be(provider, someone)
        provider.spoilt = spoilt
        assert (await signed_on(site)).json()["code"] == "oidc_refused"

    async def test_a_token_that_another_key_signed_is_refused_until_it_is_published(
        self, site: httpx.AsyncClient, provider: OidcProvider, trusting: Running, someone: Someone
    ) -> None:
        be(provider, someone)
        await signed_on(site)
        provider.key = RSAKey.generate_key(2048, {"kid": "second", "use": "sig", "alg": "RS256"})
        trusting.door.framework.state.identity.provider._asked -= 5
        assert (await signed_on(site)).json()["code"] == "oidc_refused"
        provider.published.append(provider.key)
        trusting.door.framework.state.identity.provider._asked -= 5
        assert (await signed_on(site)).status_code == 200

    async def test_keys_at_an_inner_address_that_is_not_listed_are_not_fetched(
        self, settings: Settings, provider: OidcProvider, app: Running
    ) -> None:
        elsewhere = provider.issuer.replace("127.0.0.1", "localhost")
        provider.named = elsewhere, f"{provider.issuer}/jwks"
        chosen = {"oidc_issuer": elsewhere, "oidc_client_id": CLIENT, "oidc_client_secret": SecretStr(SECRET)}
        try:
            async with running(settings.model_copy(update=chosen)) as near, httpx.AsyncClient(base_url=near.url) as web:
                refused = (await web.post("/auth/oidc/login", json={})).json()
        finally:
            provider.named = None
        assert refused["code"] == "oidc_unavailable"
        assert "out of bounds" in refused["detail"]

    async def test_state_and_code_work_once(
        self, site: httpx.AsyncClient, provider: OidcProvider, someone: Someone
    ) -> None:
        be(provider, someone)
        back = await visited((await site.post("/auth/oidc/login", json={})).json()["authorizationUrl"])
        seen = [(await site.post("/auth/oidc/callback", json=back)).json().get("code") for _ in range(2)]
        assert seen == [None, "ticket_spent"]
        begun = (await site.post("/auth/oidc/login", json={})).json()
        stolen = await site.post("/auth/oidc/callback", json={"code": back["code"], "state": begun["state"]})
        assert stolen.json()["code"] == "oidc_refused"


class TestBrowser:
    async def test_it_comes_back_with_a_session_in_a_cookie(
        self, site: httpx.AsyncClient, provider: OidcProvider, someone: Someone
    ) -> None:
        be(provider, someone)
        sent = await site.get("/auth/oidc/login")
        assert sent.status_code == 302
        assert "SameSite=lax" in sent.headers["set-cookie"]
        back = await site.get("/auth/oidc/callback", params=await visited(sent.headers["location"]))
        assert back.headers["location"].endswith("/console/")
        assert "accessToken" not in back.text
        refreshed = (await site.post("/auth/refresh", json={})).json()
        assert refreshed["user"]["userId"] == someone.id

    async def test_another_browsers_sign_on_is_not_taken(
        self, site: httpx.AsyncClient, provider: OidcProvider, someone: Someone
    ) -> None:
        be(provider, someone)
        sent = await site.get("/auth/oidc/login")
        site.cookies.clear()
        back = await site.get("/auth/oidc/callback", params=await visited(sent.headers["location"]))
        assert back.headers["location"].endswith("/console/sign-in#error=oidc_refused")
        assert "provenance_refresh=pvr_" not in str(back.headers)

    async def test_what_the_provider_refused_ends_at_the_sign_in_page(self, site: httpx.AsyncClient) -> None:
        back = await site.get("/auth/oidc/callback", params={"error": "access_denied", "state": "x"})
        assert back.headers["location"].endswith("#error=oidc_refused")


class TestWithoutProvider:
    async def test_there_is_none(self, web: httpx.AsyncClient) -> None:
        answer = await web.post("/auth/oidc/login", json={})
        assert (answer.status_code, answer.json()["code"]) == (404, "oidc_not_configured")
