"""The pages that a link in a mail opens: what the grant covers, and a button. Opening one changes nothing."""

from html import escape
from typing import Literal

from fastapi.responses import HTMLResponse

from provenance.approvals.grants.schemas import Grant, GrantDecision, GrantKind
from provenance.core.door import Exchange
from provenance.core.errors import Invalid
from provenance.core.routing import admitted_body, is_json

NO_STORE = {"cache-control": "no-store"}
_HEADERS = {
    **NO_STORE,
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; form-action 'self'",
}
_BUTTONS = {"approve": "Confirm", "deny": "Deny"}
_OTHER: dict[str, Literal["approve", "deny"]] = {"approve": "deny", "deny": "approve"}


def wants_page(exchange: Exchange) -> bool:
    """Tell whether a browser asks, which shows pages; everybody else gets JSON."""
    return "text/html" in (exchange.header(b"accept") or "")


def decision_of(exchange: Exchange, token: str | None) -> GrantDecision:
    """Read a decision: JSON, or none (the page's form); ``token`` is the one of the address.

    Raises Invalid.
    """
    if not exchange.body or not is_json(exchange.header(b"content-type")):
        return GrantDecision(token=token)
    try:
        given = GrantDecision.model_validate_json(admitted_body(exchange))
    except ValueError:
        raise Invalid("The body takes token and comment, both texts.") from None
    return given if given.token is not None else given.model_copy(update={"token": token})


def ask(grant: Grant, verb: Literal["approve", "deny"]) -> HTMLResponse:
    """Show a grant with the button that decides; the form posts to this same address."""
    other = _OTHER[verb]
    return _page(
        f"{_BUTTONS[verb]} this grant?",
        f"{_facts(grant)}"
        f'<form method="post"><button>{_BUTTONS[verb]}</button></form>'
        f"<p>To {_BUTTONS[other].lower()} it instead, open the address that ends in /{other}.</p>",
    )


def done(grant: Grant) -> HTMLResponse:
    """Say how a grant stands now."""
    return _page(f"The grant is {grant.status.value}", f"{_facts(grant)}<p>You can close this window.</p>")


def _facts(grant: Grant) -> str:
    effect = (
        "Requests that it covers pass without anybody looking at each of them."
        if grant.grant_kind is GrantKind.ACTION_CLASS
        else "You decide on requests that it covers, on behalf of who gives it."
    )
    facts = {
        "Given by": grant.grantor_user_id,
        "Workflows": ", ".join(grant.scope.workflow_ids) or "any",
        "Steps": ", ".join(grant.scope.step_keys) or "any",
        "Action": grant.scope.action or "any",
        "Risk": f"up to {grant.scope.max_risk}",
        "Payload": "; ".join(f"{each.path} {each.op.value} {each.value}" for each in grant.scope.payload_rules)
        or "any",
        "Uses": "any number" if grant.max_uses is None else f"at most {grant.max_uses}",
        "Until": grant.valid_until,
        "Reason": grant.reason or "none given",
    }
    rows = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return f"<p>{effect}</p><dl>{rows}</dl>"


def _page(title: str, body: str) -> HTMLResponse:
    text = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><h1>{title}</h1>{body}</html>'
    return HTMLResponse(text, headers=_HEADERS)
