"""Sends one HTTP request and returns the answer: JSON where it is JSON, else its text."""

from urllib.parse import urlencode

from provenance_skill import Failed, idempotency_key, request

_RETRIED = {408: "timeout", 425: "unavailable", 429: "rate_limited"}


def run(input: dict) -> dict:
    """Send what the input says. A status that was not expected fails, with a code that steps may retry on."""
    url = with_query(input["url"], input.get("query"))
    method = input.get("method", "GET")
    headers = dict(input.get("headers", {}))
    if idempotency_key and method not in ("GET", "HEAD"):
        headers.setdefault("Idempotency-Key", idempotency_key)
    sent = {"json": input["json"]} if "json" in input else {"body": input.get("body")}
    answer = request(method, url, headers=headers, **sent)
    if not expected(answer.status, input.get("expectStatus")):
        code = _RETRIED.get(answer.status, "unavailable" if answer.status >= 500 else "refused_by_target")
        raise Failed(code, f"{method} {url.partition('?')[0]} answered with status {answer.status}.")
    return {"status": answer.status, "headers": answer.headers, "body": body_of(answer)}


def with_query(url: str, query: dict | None) -> str:
    """Return a URL with further members in its query."""
    if not query:
        return url
    written = urlencode(
        {name: str(value).lower() if isinstance(value, bool) else value for name, value in query.items()}
    )
    return f"{url}{'&' if '?' in url else '?'}{written}"


def expected(status: int, wanted: list[int] | None) -> bool:
    """Tell whether a status is a good one."""
    return status in wanted if wanted is not None else status < 400


def body_of(answer: object) -> object:
    """Return an answer's body: parsed where it says that it is JSON, and is."""
    if "json" in answer.headers.get("content-type", ""):
        try:
            return answer.json()
        except ValueError:
            pass
    return answer.text
