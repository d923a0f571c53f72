"""Each integration against a stand-in with its real paths: authorised or keyed, tried, refused in its own words."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import RSAKey

from provenance.connections.errors import HostNotAllowed
from provenance.connections.integrations import INTEGRATIONS
from provenance.connections.targets import Target, target_of
from tests.connections.conftest import Builder
from tests.connections.outside import Outside
from tests.secrets.canaries import canary, events

ACCOUNTS = {
    "slack": ("T1", "Acme"),
    "github": ("1", "octocat"),
    "jira": ("c1", "acme"),
    "google-workspace": ("g1", "a@example.com"),
    "salesforce": ("o1", "a@example.com"),
    "hubspot": ("5", "app.hubspot.com"),
    "notion": ("b1", "Bot"),
}
KEYED: dict[str, tuple[dict[str, Any], str, dict[str, str]]] = {
    "zendesk": ({"subdomain": "acme"}, "apiToken", {"email": "agent@example.com"}),
    "datadog": ({"site": "us5.datadoghq.com"}, "apiKey", {}),
    "pagerduty": ({}, "apiKey", {}),
    "servicenow": ({"instance": "acme"}, "password", {"username": "admin"}),
}


async def tried(builder: Builder, connection_id: str) -> dict[str, Any]:
    answer = await builder.web.post(f"/connections/{connection_id}/test", json={})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found.keys() == {"ok", "status", "checkedAt", "latencyMs", "account", "error"}
    return found


class TestOAuth:
    @pytest.mark.parametrize("name", ACCOUNTS)
    async def test_is_authorised_and_tried(self, builder: Builder, outside: Outside, name: str) -> None:
        connection_id = await builder.connected(name)
        found = await tried(builder, connection_id)
        account_id, label = ACCOUNTS[name]
        assert (found["ok"], found["status"], found["error"]) == (True, "active", None)
        assert found["account"] == {"id": account_id, "label": label}
        assert (await builder.get(connection_id))["account"] == found["account"]
        outside.tokens.clear()
        assert (await tried(builder, connection_id))["status"] == "error"

    @pytest.mark.parametrize("name", ["slack", "github"])
    async def test_a_refusal_with_a_good_status_is_one(self, builder: Builder, outside: Outside, name: str) -> None:
        made = await builder.make(name)
        begun = await builder.begin(made["connectionId"])
        outside.codes["c"] = {}
        outside.refuses = "bad_verification_code"
        answer = await builder.web.get("/oauth/callback", params={"state": begun["state"], "code": "c"})
        assert (answer.status_code, answer.json()["code"]) == (400, "authorization_refused")
        assert "bad_verification_code" in answer.json()["detail"]


class TestKeys:
    @pytest.mark.parametrize("name", KEYED)
    async def test_is_tried_and_comes_back_with_a_good_key(self, builder: Builder, outside: Outside, name: str) -> None:
        config, field, more = KEYED[name]
        outside.keys[name] = canary()
        made = await builder.make(name, "api_key", config=config, credential={**more, field: "wrong"})
        path = f"/connections/{made['connectionId']}"
        failed = await tried(builder, made["connectionId"])
        assert (failed["ok"], failed["status"]) == (False, "error")
        assert failed["error"] == "The service does not accept the credential."
        await builder.web.patch(path, json={"credential": {**more, field: outside.keys[name]}})
        resumed = await builder.web.patch(path, json={"status": "active"})
        assert (resumed.status_code, resumed.json()["code"]) == (409, "connection_not_tested")
        found = await tried(builder, made["connectionId"])
        assert (found["ok"], found["status"], found["error"]) == (True, "active", None)
        rows = await events(builder.app, builder.workspace, "connection")
        seen = [event.partition(".")[2] for event, _, _ in rows]
        assert seen == ["created", "tested", "updated", "tested"]

    async def test_a_service_that_is_away_breaks_nothing(self, builder: Builder, outside: Outside) -> None:
        outside.keys["pagerduty"] = canary()
        made = await builder.make("pagerduty", "api_key", credential=outside.keys["pagerduty"])
        outside.broken = True
        found = await tried(builder, made["connectionId"])
        assert (found["ok"], found["status"]) == (False, "active")
        assert "502" in found["error"]

    @pytest.mark.parametrize("passphrase", [None, "the passphrase"])
    async def test_a_key_pair_signs_for_a_service_account(
        self, builder: Builder, outside: Outside, passphrase: str | None
    ) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        sealing = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase.encode())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealing).decode()
        credential = {"privateKey": pem} | ({} if passphrase is None else {"passphrase": passphrase})
        outside.public_key = RSAKey.import_key(key.public_key())
        config = {"account": "acme-prod.eu-west-1", "user": "robot"}
        made = await builder.make("snowflake", "service_account", config=config, credential=credential)
        found = await tried(builder, made["connectionId"])
        assert (found["ok"], found["account"]) == (True, {"id": "ROBOT", "label": None})


class TestData:
    @pytest.mark.parametrize("name", INTEGRATIONS)
    def test_every_address_is_encrypted(self, name: str) -> None:
        found = INTEGRATIONS[name]
        addresses = [] if found.oauth is None else [found.oauth.authorization_url, found.oauth.token_url]
        assert all(url.startswith("https://") for url in [found.base_url, *addresses] if name != "http")
        assert (found.oauth is not None) == (found.auth == ("oauth2",))

    def test_the_contract_names_twelve_and_a_generic_one(self) -> None:
        assert len(INTEGRATIONS) == 13
        with_oauth = [name for name, each in INTEGRATIONS.items() if each.auth == ("oauth2",)]
        assert with_oauth == list(ACCOUNTS)


HOSTS = Target("https://api.example.com/v1", ("*.example.org", "files.example.com"))


class TestTarget:
    @pytest.mark.parametrize(
        ("asked", "goes_to"),
        [
            ("/a?b=1", "https://api.example.com/v1/a?b=1"),
            ("a", "https://api.example.com/v1/a"),
            ("//evil.example", "https://api.example.com/v1/evil.example"),
            ("https://api.example.com/x", "https://api.example.com/x"),
            ("https://files.example.com/x", "https://files.example.com/x"),
            ("https://eu.example.org/x", "https://eu.example.org/x"),
        ],
    )
    def test_goes_where_it_may(self, asked: str, goes_to: str) -> None:
        assert HOSTS.url(asked) == goes_to

    @pytest.mark.parametrize(
        "asked",
        [
            "http://api.example.com/",
            "https://api.example.com:8443/",
            "https://api.example.com.evil.example/",
            "https://api.example.com@evil.example/",
            "https://example.org/",
            "https://evilexample.org/",
            "https://files.example.com:8443/",
            "ftp://api.example.com/",
            "https://EVIL.example/",
        ],
    )
    def test_goes_nowhere_else(self, asked: str) -> None:
        with pytest.raises(HostNotAllowed):
            HOSTS.url(asked)

    @given(st.text(max_size=60))
    def test_no_text_leads_elsewhere(self, asked: str) -> None:
        try:
            found = HOSTS.url(asked)
        except HostNotAllowed:
            return
        assert found.startswith("https://api.example.com/")

    def test_a_provider_names_an_instance_of_its_own_alone(self) -> None:
        salesforce = INTEGRATIONS["salesforce"]
        assert target_of(salesforce, {}, None, "https://acme.my.salesforce.com").base_url.startswith("https://acme")
        with pytest.raises(HostNotAllowed):
            target_of(salesforce, {}, None, "https://evil.example")
        assert target_of(salesforce, {}, None, "http://acme.my.salesforce.com").base_url == salesforce.base_url
