"""The two pages that a browser may see on its way back from a provider, and the cookie that it began with."""

from html import escape

from fastapi import Response
from fastapi.responses import HTMLResponse

from provenance.core.door import Exchange

COOKIE = "provenance_connect"
PATH = "/oauth"
_HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; form-action 'self'",
}


def remember(response: Response, state: str, seconds: int, *, secure: bool) -> None:
    """Bind an authorisation to this browser. Lax, because the way back is a link on the provider's site."""
    response.headers["cache-control"] = "no-store"
    response.set_cookie(COOKIE, state, max_age=seconds, path=PATH, secure=secure, httponly=True, samesite="lax")


def cookie_of(exchange: Exchange) -> str | None:
    """Return the state that this browser began with; of several cookies any other is none of ours."""
    for part in (exchange.header(b"cookie") or "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE and value:
            return value
    return None


def ask(name: str, integration: str) -> HTMLResponse:
    """Ask a browser that did not begin this whether its person means it; the form posts to this same address."""
    return _page(
        "Connect this account?",
        f"<p>The account you just chose at <b>{escape(integration)}</b> will be used by the connection "
        f"<b>{escape(name)}</b> of Provenance. Go on only if you asked for this yourself.</p>"
        '<form method="post"><button>Connect</button></form>',
    )


def done(name: str) -> HTMLResponse:
    """Say that it is done."""
    return _page("Connected", f"<p><b>{escape(name)}</b> is connected. You can close this window.</p>")


def _page(title: str, body: str) -> HTMLResponse:
    text = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><h1>{title}</h1>{body}</html>'
    return HTMLResponse(text, headers=_HEADERS)
