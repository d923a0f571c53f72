"""A small server that speaks the real protocol over a real socket, and can be told to misbehave."""

from __future__ import annotations

import json
import threading
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "pv_test_secret"
EVENT: dict[str, Any] = {"resource_type": "USER", "resource_id": "user-123", "action": "CREATE"}


@dataclass
class Answer:
    """What the server is told to answer next, instead of doing its work."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class StandIn:
    """The ledger in memory: rows in order, one per dedupe key; `script` holds answers for the next posts."""

    def __init__(self, port: int = 0) -> None:
        self.rows: list[dict[str, Any]] = []
        self.by_key: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.script: deque[Answer] = deque()
        self.refuse: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda _item: None
        self.refuse_whole: Callable[[bytes], Answer | None] = lambda _body: None
        self.changed = threading.Condition()
        self.http = _Server(("127.0.0.1", port), _Handler)
        self.http.standin = self
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    @property
    def port(self) -> int:
        return int(self.http.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def wait_for(self, condition: Callable[[StandIn], bool], timeout: float = 10.0) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self), timeout), f"{len(self.rows)} rows"

    def spans(self) -> list[str]:
        return [row["spanId"] for row in self.rows]

    def store(self, item: dict[str, Any]) -> dict[str, Any]:
        """One item's result, as the batch answers it."""
        if refusal := self.refuse(item):
            return {"status": "failed", "interactionId": None, "error": refusal}
        key = item.get("idempotencyKey") or item.get("spanId")
        if key in self.by_key:
            return {"status": "duplicate", "interactionId": self.by_key[key]["interactionId"]}
        row = {**item, "interactionId": str(uuid.uuid4()), "interactionNumber": len(self.rows) + 1}
        self.rows.append(row)
        if key:
            self.by_key[key] = row
        return {"status": "created", "interactionId": row["interactionId"]}

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


class _Server(ThreadingHTTPServer):
    standin: StandIn
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed in the middle of a request is part of these tests."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def _handle(self) -> None:
        standin = self.server.standin
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with standin.changed:
            standin.requests.append((self.command, self.path, headers, body))
            answer = standin.script.popleft() if standin.script else self._answer(standin, headers, body)
            standin.changed.notify_all()
        content = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in {"content-type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _answer(self, standin: StandIn, headers: dict[str, str], body: bytes) -> Answer:
        if headers.get("x-api-key") != KEY:
            return problem(401, "not_authenticated", "Unknown API key.")
        url = urlsplit(self.path)
        if refusal := standin.refuse_whole(body):
            return refusal
        if self.command == "POST" and url.path == "/api/interactions/batch":
            results = [{"index": index, **standin.store(item)} for index, item in enumerate(json.loads(body)["items"])]
            tally = [result["status"] for result in results]
            sums = {"created": tally.count("created"), "duplicates": tally.count("duplicate")}
            return Answer(201, {"items": results, **sums, "failed": tally.count("failed")})
        if self.command == "POST" and url.path == "/api/interactions":
            result = standin.store({**json.loads(body), "spanId": headers.get("x-span-id")})
            return Answer(201, next(row for row in standin.rows if row["interactionId"] == result["interactionId"]))
        if self.command == "GET" and url.path == "/api/interactions":
            return _page(standin.rows, parse_qs(url.query))
        return Answer(200, {"method": self.command, "path": self.path})


def _page(rows: list[dict[str, Any]], query: dict[str, list[str]]) -> Answer:
    limit, start = int(query.get("limit", ["50"])[0]), int(query.get("cursor", ["0"])[0])
    matching = [row for row in rows if row["resourceId"] in query.get("resourceId", [row["resourceId"]])]
    end = start + limit
    pagination = {
        "page": 1,
        "limit": limit,
        "total": len(matching),
        "totalPages": -(-len(matching) // limit),
        "hasNext": end < len(matching),
        "hasPrev": start > 0,
        "nextCursor": str(end) if end < len(matching) else None,
    }
    return Answer(200, {"data": matching[start:end], "pagination": pagination})


def problem(status: int, code: str, detail: str, **headers: str) -> Answer:
    body = {
        "type": "about:blank",
        "title": code,
        "status": status,
        "code": code,
        "detail": detail,
        "error": detail,
        "details": [],
        "requestId": "req",
    }
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})
