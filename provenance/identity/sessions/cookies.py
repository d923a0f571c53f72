"""The cookie of browser sessions: out of reach of scripts and of other sites, sent to ``/auth`` alone."""

from http.cookies import CookieError, SimpleCookie

from fastapi import Response

from provenance.core.door import Exchange
from provenance.identity.sessions.schemas import Caller, Mode, Started

NAME = "provenance_refresh"
PATH = "/auth"


def refresh_token_of(exchange: Exchange) -> str | None:
    """Return the refresh token of the request's cookie, or None."""
    return value_of(exchange, NAME)


def value_of(exchange: Exchange, name: str) -> str | None:
    """Return a cookie's value, or None."""
    try:
        found = SimpleCookie(exchange.header(b"cookie") or "").get(name)
    except CookieError:
        return None
    return found.value if found is not None and found.value else None


def hand_over(response: Response, started: Started, caller: Caller) -> None:
    """Set the cookie of a browser session; forbid any store to keep the answer."""
    response.headers["cache-control"] = "no-store"
    if started.mode is Mode.BROWSER:
        response.set_cookie(
            NAME,
            started.refresh_token,
            max_age=started.refresh_seconds,
            path=PATH,
            secure=caller.secure,
            httponly=True,
            samesite="strict",
        )


def clear(response: Response, caller: Caller) -> None:
    """Remove the cookie."""
    response.delete_cookie(NAME, path=PATH, secure=caller.secure, httponly=True, samesite="strict")
