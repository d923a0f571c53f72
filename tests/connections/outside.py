"""The outside world on the loopback: an OAuth provider, and each integration's API at its real paths.

Every integration lives under its own name (``/slack/auth.test``). Credentials are checked as the real service does,
and what is refused is refused in its words.
"""

import asyncio
import base64
from collections.abc import Callable
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, urlencode

import msgspec
import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "provenance-client", "the secret of the client"

Answer = tuple[int, Any, str]


class Outside:
    """The provider and the services. ``expires_in`` is of the tokens it gives out next."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: list[tuple[str, str, dict[str, str], bytes]] = []
        self.expires_in: int | None = 3_600
        self.rotates = True
        self.refuses: str | None = None
        self.broken = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.tokens: set[str] = set()
        self.refresh_tokens: dict[str, bool] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.keys: dict[str, str] = {}
        self.public_key: RSAKey | None = None
        self.slack_says: tuple[int, Any] | None = None
        self.headers: list[tuple[bytes, bytes]] = []

    def reset(self) -> None:
        """Forget what a test asked for."""
        self.calls.clear()
        self.expires_in, self.rotates, self.refuses, self.broken, self.public_key = 3_600, True, None, False, None
        self.gate.set()
        self.slack_says, self.headers = None, []

    def asked(self, path: str) -> list[dict[str, str]]:
        """The forms that were posted to a path."""
        return [_form(headers, body) for _, at, headers, body in self.calls if at == path]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        path = scope["path"]
        self.calls.append((scope["method"], path, headers, body))
        query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
        status, answer, location = await self._answer(scope["method"], path, query, headers, body)
        sent = [(b"content-type", b"application/json")] + ([(b"location", location.encode())] if location else [])
        sent += self.headers
        await send({"type": "http.response.start", "status": status, "headers": sent})
        raw = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
        await send({"type": "http.response.body", "body": raw})

    async def _answer(
        self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes
    ) -> Answer:
        if self.broken:
            return 502, b"<html>bad gateway</html>", ""
        _, service, rest = path.split("/", 2)
        if rest == "authorize":
            return 302, {}, self._authorize(query)
        if rest == "token":
            await self.gate.wait()
            return self._token(service, _form(headers, body), headers)
        if rest == "revoke":
            self.refresh_tokens.pop(_form(headers, body)["token"], None)
            return 200, {}, ""
        if rest == "echo":
            return 200, {"headers": headers, "body": body.decode()}, ""
        status, answer = API[service](self, method, "/" + rest, headers, body)
        return status, answer, ""

    def _authorize(self, query: dict[str, str]) -> str:
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        if self.refuses:
            return f"{query['redirect_uri']}?{urlencode({'error': 'access_denied', 'state': query['state']})}"
        code = token_urlsafe(16)
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def _token(self, service: str, form: dict[str, str], headers: dict[str, str]) -> Answer:
        if not _knows_client(form, headers):
            return 401, {"error": "invalid_client", "error_description": f"not {form.get('client_secret')}"}, ""
        if self.refuses:
            # Two of the services refuse with a good status.
            return (200 if service in ("slack", "github") else 400), {"ok": False, "error": self.refuses}, ""
        if form["grant_type"] == "authorization_code":
            asked = self.codes.pop(form["code"], {})
            proof = base64.urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
            if (proof, form["redirect_uri"]) != (asked.get("code_challenge"), asked.get("redirect_uri")):
                return 400, {"error": "invalid_grant"}, ""
            return 200, self._fresh(asked.get("scope")), ""
        if form["grant_type"] == "refresh_token":
            if not self.refresh_tokens.get(form["refresh_token"]):
                self.tokens.clear()  # a second use is taken for theft
                return 400, {"error": "invalid_grant", "error_description": form["refresh_token"]}, ""
            if self.rotates:
                self.refresh_tokens[form["refresh_token"]] = False
            return 200, self._fresh(None, with_refresh=self.rotates), ""
        assert form["grant_type"] == "client_credentials"
        return 200, self._fresh(form.get("scope"), with_refresh=False), ""

    def _fresh(self, scope: str | None, *, with_refresh: bool = True) -> dict[str, Any]:
        found: dict[str, Any] = {"access_token": "at-" + token_urlsafe(16), "token_type": "Bearer"}
        self.tokens.add(found["access_token"])
        if with_refresh:
            found["refresh_token"] = "rt-" + token_urlsafe(16)
            self.refresh_tokens[found["refresh_token"]] = True
        if self.expires_in is not None:
            found["expires_in"] = self.expires_in
        return found | ({} if scope is None else {"scope": scope})

    def holds_token(self, headers: dict[str, str]) -> bool:
        kind, _, token = headers.get("authorization", "").partition(" ")
        return kind == "Bearer" and token in self.tokens


def _form(headers: dict[str, str], body: bytes) -> dict[str, str]:
    if headers.get("content-type") == "application/json":
        found: dict[str, str] = msgspec.json.decode(body)
        return found
    return {name: values[0] for name, values in parse_qs(body.decode()).items()}


def _knows_client(form: dict[str, str], headers: dict[str, str]) -> bool:
    if headers.get("authorization") == "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode():
        return "client_secret" not in form
    return (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)


Service = Callable[[Outside, str, str, dict[str, str], bytes], tuple[int, Any]]


def _by_token(wanted: str, answer: Any, refusal: Any, *, method: str = "GET", status: int = 401) -> Service:
    """A service that knows our access tokens."""

    def service(outside: Outside, asked: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        if (asked, path) != (method, wanted):
            return 404, {"message": "Not Found"}
        return (200, answer) if outside.holds_token(headers) else (status, refusal)

    return service


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _zendesk(outside: Outside, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
    assert (method, path) == ("GET", "/users/me.json")
    known = headers.get("authorization") == _basic("agent@example.com/token", outside.keys["zendesk"])
    if known:
        return 200, {"user": {"id": 7, "name": "Agent Seven"}}
    return 200, {"user": {"id": None, "name": "Anonymous user"}}  # as Zendesk does


def _datadog(outside: Outside, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
    assert (method, path) == ("GET", "/api/v1/validate")
    if headers.get("dd-api-key") == outside.keys["datadog"]:
        return 200, {"valid": True}
    return 403, {"errors": ["Forbidden"]}


def _pagerduty(outside: Outside, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
    assert (method, path) == ("GET", "/abilities")
    assert headers["accept"] == "application/vnd.pagerduty+json;version=2"
    if headers.get("authorization") == f"Token token={outside.keys['pagerduty']}":
        return 200, {"abilities": ["teams"]}
    return 401, {"error": {"message": "Unauthorized", "code": 2006}}


def _servicenow(outside: Outside, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
    assert (method, path) == ("GET", "/table/sys_user")
    key = outside.keys["servicenow"]
    if headers.get("x-sn-apikey") == key or headers.get("authorization") == _basic("admin", key):
        return 200, {"result": [{"sys_id": "1"}]}
    return 401, {"error": {"message": "User Not Authenticated"}, "status": "failure"}


def _snowflake(outside: Outside, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
    assert (method, path) == ("POST", "/api/v2/statements")
    assert headers["x-snowflake-authorization-token-type"] == "KEYPAIR_JWT"
    assert outside.public_key is not None
    try:
        claims = jwt.decode(headers["authorization"].removeprefix("Bearer "), outside.public_key).claims
    except Exception:
        return 401, {"code": "390144", "message": "JWT token is invalid."}
    assert claims["sub"] == "ACME-PROD.ROBOT"
    assert claims["iss"].startswith("ACME-PROD.ROBOT.SHA256:")
    return 200, {"data": [["ROBOT"]], "statementHandle": "1"}


def _slack(outside: Outside, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
    if not outside.holds_token(headers):
        return 200, {"ok": False, "error": "invalid_auth"}
    if (method, path) == ("POST", "/auth.test"):
        return 200, {"ok": True, "team_id": "T1", "team": "Acme"}
    assert (method, path) == ("POST", "/chat.postMessage")
    if outside.slack_says is not None:
        return outside.slack_says
    assert headers["content-type"].startswith("application/json")
    return 200, {"ok": True, "channel": "C1", "ts": "1.1"}


def _http(outside: Outside, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
    known = headers.get("x-key") == outside.keys["http"] or outside.holds_token(headers)
    return (200, {"path": path}) if known else (401, {"error": "who are you"})


API: dict[str, Service] = {
    "slack": _slack,
    "github": _by_token("/user", {"id": 1, "login": "octocat"}, {"message": "Bad credentials"}),
    "jira": _by_token("/oauth/token/accessible-resources", [{"id": "c1", "name": "acme"}], {"code": 401}),
    "google-workspace": _by_token("/oauth2/v3/userinfo", {"sub": "g1", "email": "a@example.com"}, {"error": {}}),
    "salesforce": _by_token(
        "/services/oauth2/userinfo", {"organization_id": "o1", "preferred_username": "a@example.com"}, {}, status=403
    ),
    "hubspot": _by_token("/account-info/v3/details", {"portalId": 5, "uiDomain": "app.hubspot.com"}, {}),
    "notion": _by_token("/users/me", {"id": "b1", "name": "Bot"}, {"object": "error", "code": "unauthorized"}),
    "zendesk": _zendesk,
    "datadog": _datadog,
    "pagerduty": _pagerduty,
    "servicenow": _servicenow,
    "snowflake": _snowflake,
    "http": _http,
}  # fmt: skip


async def serve(outside: Outside) -> tuple[uvicorn.Server, asyncio.Task[None]]:
    """Run it on a port of the loopback."""
    server = uvicorn.Server(uvicorn.Config(outside, port=0, loop="none", lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    outside.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    return server, serving
