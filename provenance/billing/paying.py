"""The payment provider: Stripe, through its own library, with every request through the egress guard.

The library is an extra (``requirements/billing.txt``), imported where a key is set and nowhere else.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

from provenance.billing.errors import PaymentsAway
from provenance.core.clock import NANOS
from provenance.core.egress import Egress
from provenance.core.settings import Settings

if TYPE_CHECKING:
    import stripe

API_URL = "https://api.stripe.com"
INVOICES = 12
SECONDS = 15.0
_STATUSES = {"active": "active", "trialing": "trialing", "past_due": "past_due", "unpaid": "past_due"}


class Standing(NamedTuple):
    """A subscription: its plan (None without one), how it stands, its period in nanoseconds, the newest invoices."""

    plan: str | None
    status: str | None
    period_start: int | None
    period_end: int | None
    invoices: list[dict[str, Any]]


class Payments:
    """What this installation asks of Stripe."""

    def __init__(self, client: "stripe.StripeClient") -> None:
        """Take the library's client."""
        self._client = client

    @classmethod
    def of(cls, settings: Settings, egress: Egress) -> "Payments | None":
        """Return the provider that the settings name; None where they name none.

        Raises ValueError where the library is not installed.
        """
        if settings.stripe_secret_key is None:
            return None
        try:
            import stripe

            from provenance.billing.transport import guarded
        except ImportError:
            raise ValueError(
                "PROVENANCE_STRIPE_SECRET_KEY needs the package `stripe`: "
                "pip install --require-hashes -r requirements/billing.txt"
            ) from None
        key = settings.stripe_secret_key.get_secret_value()
        return cls(
            stripe.StripeClient(
                key,
                base_addresses={"api": settings.stripe_url or API_URL},
                http_client=guarded(egress, SECONDS),
                max_network_retries=1,
            )
        )

    async def customer(self, workspace: str, name: str) -> str:
        """Make the customer that pays for a workspace, once, and return its id. Raises PaymentsAway."""
        made = await self._ask(
            self._client.v1.customers.create_async,
            {"name": name, "metadata": {"workspaceId": workspace}},
            {"idempotency_key": f"provenance-customer-{workspace}"},
        )
        return str(made.id)

    async def portal(self, customer: str, return_url: str) -> str:
        """Open the customer's portal and return its address. Raises PaymentsAway."""
        asked = {"customer": customer, "return_url": return_url}
        return str((await self._ask(self._client.v1.billing_portal.sessions.create_async, asked)).url)

    async def standing(self, customer: str) -> Standing:
        """Return how the customer's newest subscription stands, with the newest invoices. Raises PaymentsAway."""
        newest = {"customer": customer, "limit": 1, "status": "all"}
        found = (await self._ask(self._client.v1.subscriptions.list_async, newest)).data
        invoices = await self._ask(self._client.v1.invoices.list_async, {"customer": customer, "limit": INVOICES})
        shown = [_invoice(each) for each in invoices.data]
        if not found or found[0].status not in _STATUSES:
            return Standing(None, None, None, None, shown)
        item = found[0]["items"].data[0]
        return Standing(
            plan=item.price.lookup_key or item.price.nickname or item.price.id,
            status=_STATUSES[found[0].status],
            period_start=item.current_period_start * NANOS,
            period_end=item.current_period_end * NANOS,
            invoices=shown,
        )

    async def _ask(self, call: Any, params: dict[str, Any], options: dict[str, Any] | None = None) -> Any:
        import stripe

        try:
            return await call(params, options or {})
        except stripe.AuthenticationError:
            raise PaymentsAway("The payment provider refuses our key; set PROVENANCE_STRIPE_SECRET_KEY anew.") from None
        except stripe.StripeError as error:
            code = error.code or type(error).__name__
            raise PaymentsAway(f"The payment provider did not do what it was asked: {code}. Try again later.") from None


def _invoice(found: Any) -> dict[str, Any]:
    return {
        "id": found.id,
        "number": found.number,
        "status": found.status,
        "currency": found.currency,
        "total": found.total,
        "amountDue": found.amount_due,
        "createdAt": found.created,
        "url": found.hosted_invoice_url,
    }
