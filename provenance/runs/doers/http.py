"""Kinds `data` and `action` over HTTP, with a connection, a secret or neither: one request, and its answer."""

from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec

from provenance.core.addresses import AddressRefused, EgressError
from provenance.core.egress import AnswerTooLarge, Reply
from provenance.core.errors import Problem
from provenance.runs.doers.contract import Call
from provenance.runs.doers.credentials import Credentials, Sent
from provenance.runs.interpreting.results import Done, Failed, Park, Result

_KEPT_HEADERS = ("content-type", "location", "etag", "retry-after", "x-request-id")
_BODY_KEPT = 2_000


class Http:
    """Sends what the configuration says; answers of 400 and more are failures."""

    def __init__(self, credentials: Credentials) -> None:
        """Take the way out, which knows what requests may carry."""
        self._credentials = credentials

    def waits(self, call: Call) -> Park | None:
        """A request is waited for on the spot."""
        return None

    def resume(self, call: Call, outcome: Any) -> Result:
        """No wait of it is ever opened."""
        raise AssertionError("a request never parks")

    async def perform(self, call: Call) -> Result:
        """Send the request and read the answer."""
        try:
            reply = await self._credentials.send(call, sent_of(call))
        except (EgressError, Problem) as error:
            return failure_of(error)
        return outcome_of(reply)


def failure_of(error: EgressError | Problem) -> Failed:
    """Return what it means for a step that its request was not answered, or not even sent."""
    if isinstance(error, Problem):  # a connection or a secret that can't be used: nothing was sent
        return Failed("unavailable" if error.status == 503 else error.code, error.detail)
    if isinstance(error, AddressRefused):
        return Failed("address_refused", str(error))
    if isinstance(error, AnswerTooLarge):
        return Failed("answer_too_large", str(error))
    refused = isinstance(error.__context__, aiohttp.ClientConnectorError)
    return Failed("unavailable", str(error), unknown=not refused)


def sent_of(call: Call) -> Sent:
    """Return the request that a configuration asks for."""
    config = call.config
    method = config.get("method") or ("POST" if call.step.kind == "action" else "GET")
    headers = {**{name: str(value) for name, value in (config.get("headers") or {}).items()}, **call.trace}
    body = None
    if call.step.kind == "action":
        headers["Idempotency-Key"] = call.idempotency_key
        given = config.get("body", call.input)
        if given is not None and method != "DELETE":
            body = msgspec.json.encode(given)
            headers.setdefault("Content-Type", "application/json")
    return Sent(method, _with_query(config["url"], config.get("query")), headers, body)


def _with_query(url: str, query: Any) -> str:
    if not query:
        return url
    pairs = [(name, each) for name, value in query.items() for each in (value if isinstance(value, list) else [value])]
    written = urlencode([(name, _text(value)) for name, value in pairs if value is not None])
    return f"{url}{'&' if '?' in url else '?'}{written}" if written else url


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def outcome_of(reply: Reply) -> Result:
    """Return what an answer means for the step."""
    if reply.status < 400:
        kept = {name: reply.headers[name] for name in _KEPT_HEADERS if name in reply.headers}
        return Done({"status": reply.status, "headers": kept, "body": _body(reply)})
    detail = {"status": reply.status, "body": reply.body[:_BODY_KEPT].decode("utf-8", "replace")}
    if reply.status == 429:
        return Failed("rate_limited", "The target takes no more requests now.", detail=detail)
    if reply.status == 408:
        return Failed("timeout", "The target gave up waiting for the request.", detail=detail)
    if reply.status >= 500:
        return Failed("unavailable", "The target failed.", unknown=True, detail=detail)
    return Failed("refused_by_target", "The target refuses the request.", detail=detail)


def _body(reply: Reply) -> Any:
    if "json" in reply.headers.get("content-type", ""):
        try:
            return settled_numbers(msgspec.json.decode(reply.body))
        except msgspec.DecodeError:
            pass
    return reply.body.decode("utf-8", "replace")


def settled_numbers(value: Any) -> Any:
    """Return JSON whose integral numbers are integers, however they were written: 750, 750.0 and 7.5e2 are one."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, list):
        return [settled_numbers(each) for each in value]
    if isinstance(value, dict):
        return {name: settled_numbers(each) for name, each in value.items()}
    return value
