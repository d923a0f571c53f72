"""An OpenID Connect provider on the loopback that speaks the protocol: discovery, authorize, token, JWKS."""

import asyncio
import base64
import time
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlencode

import msgspec
import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "provenance-test", "the client's secret"


class OidcProvider:
    """Knows one person at a time: whoever comes to the authorization endpoint is ``claims``."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "first", "use": "sig", "alg": "RS256"})
        self.published = [self.key]
        self.claims: dict[str, Any] = {}
        self.spoilt: dict[str, Any] = {}
        self.issuer = ""
        self.named: tuple[str, str] | None = None
        self._codes: dict[str, dict[str, str]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        body = (await receive()).get("body", b"")
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        status, answer, location = self._answer(scope["path"], query, form, headers)
        sent = [(b"content-type", b"application/json")] + ([(b"location", location.encode())] if location else [])
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": msgspec.json.encode(answer)})

    def _answer(
        self, path: str, query: dict[str, str], form: dict[str, str], headers: dict[str, str]
    ) -> tuple[int, dict[str, Any], str]:
        if path == "/.well-known/openid-configuration":
            ends = {f"{name}_endpoint": f"{self.issuer}/{name}" for name in ("authorization", "token")}
            issuer, keys = self.named or (self.issuer, f"{self.issuer}/jwks")
            return 200, {"issuer": issuer, "jwks_uri": keys, **ends}, ""
        if path == "/jwks":
            return 200, {"keys": [key.as_dict(private=False) for key in self.published]}, ""
        if path == "/authorization":
            return 302, {}, self._authorize(query)
        if path == "/token" and (found := self._codes.pop(form.get("code", ""), None)) is not None:
            return self._token(found, form, headers)
        return 400, {"error": "invalid_grant"}, ""

    def _authorize(self, query: dict[str, str]) -> str:
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = token_urlsafe(16)
        self._codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def _token(
        self, asked: dict[str, str], form: dict[str, str], headers: dict[str, str]
    ) -> tuple[int, dict[str, Any], str]:
        proof = base64.urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        basic = "Basic " + base64.b64encode(f"{quote_plus(CLIENT)}:{quote_plus(SECRET)}".encode()).decode()
        same = form["redirect_uri"] == asked["redirect_uri"] and asked["client_id"] == CLIENT
        if proof != asked["code_challenge"] or headers.get("authorization") != basic or not same:
            return 400, {"error": "invalid_grant"}, ""
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 60, "nonce": asked["nonce"]}
        claims |= self.claims | self.spoilt
        token = jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)
        return 200, {"access_token": "unused", "token_type": "Bearer", "id_token": token}, ""


async def serve(provider: OidcProvider) -> tuple[uvicorn.Server, asyncio.Task[None]]:
    """Run a provider on a port of the loopback; its issuer says which."""
    server = uvicorn.Server(uvicorn.Config(provider, port=0, loop="none", lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    provider.issuer = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    return server, serving
