"""A small server that answers what a real one cannot be made to: 503, 429, a refused batch, a lost answer."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, Any], dict[str, str]]


class StandIn:
    """Keeps batch items by key, like the ledger; `next_answers` go out before it does its work."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, Any]] = {}
        self.batches: list[int] = []
        self.next_answers: list[Answer | None] = []
        self.refuse: Callable[[list[dict[str, Any]]], Answer | None] = lambda items: None
        self.arrived = threading.Event()

    def batch(self, items: list[dict[str, Any]]) -> Answer | None:
        """Answer a batch; None drops the connection after the work is done."""
        self.batches.append(len(items))
        self.arrived.set()
        scripted = self.next_answers.pop(0) if self.next_answers else ()
        if scripted and scripted[0] != 200:
            return scripted
        if refused := self.refuse(items):
            return refused
        results = [self._store(index, item) for index, item in enumerate(items)]
        return None if scripted is None else (200, {"items": results}, {})

    def _store(self, index: int, item: dict[str, Any]) -> dict[str, Any]:
        if "resourceType" not in item:
            error = {"code": "invalid_request", "detail": "resourceType: is required", "details": []}
            return {"index": index, "status": "failed", "interactionId": None, "error": error}
        known = item["idempotencyKey"] in self.stored
        self.stored[item["idempotencyKey"]] = item
        return {"index": index, "status": "duplicate" if known else "created", "interactionId": "x"}


def problem(status: int, code: str, **headers: str) -> Answer:
    """A refusal as the server words it."""
    body = {"status": status, "code": code, "detail": f"It said {code}.", "details": []}
    return status, body, {name.replace("_", "-"): value for name, value in headers.items()}


@contextmanager
def listening(stand_in: StandIn, port: int = 0) -> Iterator[str]:
    """Serve it on the loopback and give its API address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            answer = stand_in.batch(body["items"])
            if answer is None:
                self.close_connection = True
                return
            status, content, headers = answer
            payload = json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"content-length": str(len(payload)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/api"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
