"""The cookie of browser sessions: out of reach of scripts and of other sites, sent to ``/auth`` alone."""

from http.cookies import CookieError, SimpleCookie

from fastapi import Response

from provenance.core.door import Exchange
from provenance.identity.sessions.schemas import Caller, Mode, Started

NAME = "provenance_refresh"
STATE_NAME = "provenance_sign_on"
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


def hand_over_if(response: Response, started: Started | None, caller: Caller) -> None:
    """Set the cookie of a session that began; the cookie of the sign-on under way has done its work."""
    response.delete_cookie(STATE_NAME, path=PATH, secure=caller.secure, httponly=True, samesite="lax")
    response.headers["cache-control"] = "no-store"
    if started is not None:
        hand_over(response, started, caller)


def remember_state(response: Response, state: str, seconds: int, caller: Caller) -> None:
    """Bind a sign-on to this browser. Lax, because the way back is a link on the provider's site."""
    response.headers["cache-control"] = "no-store"
    response.set_cookie(
        STATE_NAME, state, max_age=seconds, path=PATH, secure=caller.secure, httponly=True, samesite="lax"
    )


def state_of(exchange: Exchange) -> str | None:
    """Return the state that this browser was sent away with, or None."""
    return value_of(exchange, STATE_NAME)
