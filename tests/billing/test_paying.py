"""Paying at the provider: its portal, what it says of a subscription, and what happens when it is away."""

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import update

from provenance.billing import tasks
from provenance.billing.paying import Payments
from provenance.billing.tables import billing_customers
from provenance.core.egress import Egress
from provenance.core.settings import Settings
from tests.billing.provider import KEY, Provider, subscription
from tests.conftest import Running
from tests.identity.people import As


@pytest.fixture(autouse=True)
def at(provider: tuple[Provider, str]) -> Provider:
    """The provider, as if nothing had been asked."""
    found, _ = provider
    found.asked.clear()
    found.subscription, found.broken = None, False
    return found


async def long_ago(paid: Running) -> None:
    """Let what the provider said be old."""
    async with paid.ledger.db.housekeeping() as tx:
        await tx.execute(update(billing_customers).values(asked_at=0))


async def subscribed(paid: Running, payer: As, at: Provider, **more: str) -> httpx.Response:
    """Open the portal, subscribe there, and read the summary."""
    assert (await payer.post("/billing/portal", json={})).status_code == 200
    at.subscription = subscription(**more)
    return await payer.get("/billing/summary")


class TestPortal:
    async def test_a_workspace_is_one_customer(self, payer: As, at: Provider) -> None:
        answers = [await payer.post("/billing/portal", json={}) for _ in range(2)]
        urls = {answer.json()["url"] for answer in answers}
        assert [answer.status_code for answer in answers] == [200, 200]
        assert len(urls) == 1
        [made] = at.forms("/v1/customers")
        assert made["metadata[workspaceId]"] == payer.workspace.id
        assert {form["customer"] for form in at.forms("/v1/billing_portal/sessions")} <= at.customers.keys()

    async def test_it_leads_back(self, payer: As, at: Provider) -> None:
        await payer.post("/billing/portal", json={"returnUrl": "https://app.example/settings"})
        await payer.post("/billing/portal", json={})
        there, home = (form["return_url"] for form in at.forms("/v1/billing_portal/sessions"))
        assert (there, home) == ("https://app.example/settings", f"{payer.base_url}/")
        assert await payer.say("POST", "/billing/portal", {"returnUrl": "javascript:alert(1)"}) == (
            400,
            "invalid_request",
        )

    async def test_it_is_on_record(self, payer: As) -> None:
        await payer.post("/billing/portal", json={})
        [event] = (await payer.get("/audit?eventType=billing.portal_opened")).json()["items"]
        assert (event["actorId"], event["objectId"]) == (payer.id, payer.workspace.id)

    async def test_a_provider_that_fails_changes_nothing(self, payer: As, at: Provider) -> None:
        at.broken = True
        assert await payer.say("POST", "/billing/portal", {}) == (503, "payments_unavailable")
        assert (await payer.get("/audit?eventType=billing.portal_opened")).json()["items"] == []
        assert (await payer.get("/billing/summary")).json()["plan"] == "self_hosted"


class TestSummary:
    async def test_the_plan_is_that_of_the_subscription(self, paid: Running, payer: As, at: Provider) -> None:
        found = (await subscribed(paid, payer, at)).json()
        assert (found["plan"], found["status"], found["portalAvailable"]) == ("team", "active", True)
        assert found["currentPeriod"] == {"start": "2026-09-21T14:13:20.000Z", "end": "2026-10-21T14:13:20.000Z"}
        assert found["limits"] == {}
        assert [invoice["number"] for invoice in found["invoices"]] == ["A-1"]
        assert (await payer.get("/workspace")).json()["plan"] == "team"
        [event] = (await payer.get("/audit?eventType=workspace.updated")).json()["items"]
        assert event["changes"] == [{"field": "plan", "before": "self_hosted", "after": "team"}]

    @pytest.mark.parametrize(
        ("status", "shown"),
        [("trialing", "trialing"), ("past_due", "past_due"), ("unpaid", "past_due"), ("canceled", "self_hosted")],
    )
    async def test_how_it_stands(self, paid: Running, payer: As, at: Provider, status: str, shown: str) -> None:
        assert (await subscribed(paid, payer, at, status=status)).json()["status"] == shown

    async def test_what_is_known_is_shown_while_the_provider_is_away(
        self, paid: Running, payer: As, at: Provider
    ) -> None:
        await subscribed(paid, payer, at)
        await long_ago(paid)
        at.broken = True
        assert (await payer.get("/billing/summary")).json()["plan"] == "team"

    async def test_it_is_asked_at_most_once_a_minute(self, paid: Running, payer: As, at: Provider) -> None:
        await subscribed(paid, payer, at)
        await payer.get("/billing/summary")
        assert len(at.forms("/v1/subscriptions")) == 1

    async def test_the_worker_asks_too(
        self, paid: Running, payer: As, at: Provider, provider: tuple[Provider, str]
    ) -> None:
        await subscribed(paid, payer, at)
        at.subscription = None
        await long_ago(paid)
        egress = Egress(["127.0.0.1"])
        payments = Payments.of(paid.ledger.settings, egress)
        assert payments is not None
        await tasks.ask_all(paid.ledger.db, payments)
        await egress.close()
        assert (await payer.get("/workspace")).json()["plan"] == "self_hosted"


class TestPayments:
    async def test_a_key_that_is_refused_is_not_repeated(
        self, settings: Settings, provider: tuple[Provider, str]
    ) -> None:
        wrong = {"stripe_secret_key": SecretStr(f"{KEY}_not"), "stripe_url": provider[1]}
        egress = Egress(["127.0.0.1"])
        payments = Payments.of(settings.model_copy(update=wrong), egress)
        assert payments is not None
        with pytest.raises(Exception, match="PROVENANCE_STRIPE_SECRET_KEY") as caught:
            await payments.portal("cus_1", "https://example.com")
        assert KEY not in str(caught.value)
        await egress.close()

    async def test_an_address_of_the_own_network_is_not_reached(
        self, settings: Settings, provider: tuple[Provider, str], at: Provider
    ) -> None:
        named = {"stripe_secret_key": SecretStr(KEY), "stripe_url": provider[1]}
        egress = Egress()
        payments = Payments.of(settings.model_copy(update=named), egress)
        assert payments is not None
        with pytest.raises(Exception, match="did not do what it was asked"):
            await payments.portal("cus_1", "https://example.com")
        await egress.close()
        assert at.asked == []

    async def test_without_a_key_there_is_none(self, settings: Settings) -> None:
        assert Payments.of(settings, Egress()) is None
