"""A service that repeats every secret it was ever sent, to everybody, in every form that programs write things in."""

import html
import json
from base64 import b64encode, urlsafe_b64encode
from collections import Counter
from typing import Any
from urllib.parse import quote, quote_plus

from aiohttp import web

CARRIERS = ("Authorization", "X-Key", "X-Token", "DD-API-KEY")
PREFIXES = ("Bearer ", "Token token=", "Basic ")


def spoken(secret: str) -> dict[str, Any]:
    """Return a secret in the forms that answers, pages, logs and headers hold such things in."""
    raw = secret.encode()
    return {
        "raw": secret,
        "sentence": f"I was sent >{secret}<.",
        "within": json.dumps({"a": json.dumps({"b": secret})}),
        "base64": [b64encode(b"u" * at + raw + b"v").decode() for at in range(3)],
        "url64": [urlsafe_b64encode(b"u" * at + raw + b"v").decode() for at in range(3)],
        "url": f"https://x.example/?q={quote(secret, safe='')}&r={quote_plus(secret)}&s={quote(secret)}",
        "lower": quote(secret, safe="").lower() if secret.isascii() and secret.islower() else None,
        "hex": raw.hex(),
        "HEX": raw.hex().upper(),
        "html": html.escape(secret),
        "numbers": html.escape(secret).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
        secret: "as the name of a member",
    }


class Parrot:
    """What it heard, and how often it was called under each path."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.calls: Counter[str] = Counter()
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        """`/ok…` is answered well, `/no/404…` with that status, `/page…` in HTML."""
        self.calls[request.path] += 1
        for name in CARRIERS:
            for value in request.headers.getall(name, []):
                self._hear(value)
        words = request.path.strip("/").split("/")
        status = int(words[1]) if words[0] == "no" else 200
        headers = {"etag": f'"{quote(self.heard[-1], safe="")}"', "location": "/"} if self.heard else {}
        if words[0] == "page":
            text = "<p>" + "</p><p>".join(html.escape(each) for each in self.heard) + "</p>"
            return web.Response(text=text, content_type="text/html", headers=headers)
        said = [spoken(each) for each in self.heard[-4:]]
        body = {"ok": words[-1] != "chat.postMessage", "heard": self.heard, "last": said}
        return web.json_response(body, status=status, headers=headers)

    def _hear(self, value: str) -> None:
        for prefix in PREFIXES:
            value = value.removeprefix(prefix)
        if value not in self.heard:
            self.heard.append(value)
