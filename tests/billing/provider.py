"""A payment provider on the loopback: Stripe's paths, forms and errors, as far as the platform asks."""

from typing import Any
from urllib.parse import parse_qs

import msgspec

KEY = "sk_of_the_tests_alone"


class Provider:
    """An ASGI application. ``subscription`` is what the next listing finds, for every customer."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], dict[str, str]]] = []
        self.customers: dict[str, dict[str, str]] = {}
        self.made: dict[str, str] = {}
        self.subscription: dict[str, Any] | None = None
        self.broken = False

    def forms(self, path: str) -> list[dict[str, str]]:
        """The forms that were sent to a path."""
        return [form for _, at, _, form in self.asked if at == path]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        text = body.decode() if scope["method"] == "POST" else scope["query_string"].decode()
        form = {name: values[0] for name, values in parse_qs(text).items()}
        self.asked.append((scope["method"], scope["path"], headers, form))
        status, answer = self._answer(scope["method"], scope["path"], headers, form)
        sent = [(b"content-type", b"application/json"), (b"request-id", b"req_1")]
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": msgspec.json.encode(answer)})

    def _answer(self, method: str, path: str, headers: dict[str, str], form: dict[str, str]) -> tuple[int, Any]:
        if self.broken:
            return 500, {"error": {"type": "api_error", "message": "Something went wrong."}}
        if headers.get("authorization") != f"Bearer {KEY}":
            return 401, {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided: sk_***"}}
        if (method, path) == ("POST", "/v1/customers"):
            return 200, self._customer(headers["idempotency-key"], form)
        if form.get("customer") not in self.customers:
            return 404, {
                "error": {"type": "invalid_request_error", "code": "resource_missing", "message": "No such customer"}
            }
        if (method, path) == ("POST", "/v1/billing_portal/sessions"):
            url = f"https://pay.example/p/{form['customer']}"
            return 200, {"object": "billing_portal.session", "url": url, "return_url": form["return_url"]}
        if (method, path) == ("GET", "/v1/subscriptions"):
            return 200, _listed(path, [] if self.subscription is None else [self.subscription])
        if (method, path) == ("GET", "/v1/invoices"):
            return 200, _listed(path, [] if self.subscription is None else [INVOICE])
        return 404, {"error": {"type": "invalid_request_error", "message": f"Unrecognized request URL ({path})"}}

    def _customer(self, key: str, form: dict[str, str]) -> dict[str, Any]:
        name = self.made.setdefault(key, f"cus_{len(self.made) + 1}")
        self.customers[name] = form
        return {"id": name, "object": "customer", "name": form["name"]}


def _listed(url: str, items: list[Any]) -> dict[str, Any]:
    return {"object": "list", "url": url, "has_more": False, "data": items}


INVOICE = {
    "id": "in_1",
    "object": "invoice",
    "number": "A-1",
    "status": "paid",
    "currency": "eur",
    "total": 4900,
    "amount_due": 0,
    "created": 1_790_000_000,
    "hosted_invoice_url": "https://pay.example/i/1",
}


def subscription(status: str = "active", plan: str = "team") -> dict[str, Any]:
    """Return a subscription of a plan as the provider writes it."""
    price = {"id": "price_1", "object": "price", "lookup_key": plan, "nickname": None}
    period = {"current_period_start": 1_790_000_000, "current_period_end": 1_792_592_000}
    item = {"id": "si_1", "object": "subscription_item", "price": price, **period}
    return {
        "id": "sub_1",
        "object": "subscription",
        "status": status,
        "items": _listed("/v1/subscription_items", [item]),
    }
