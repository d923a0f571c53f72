"""How long `provenance.log()` keeps its caller, with a server that answers and with none.

Run: python -m bench.client_log  (prints microseconds; a server process of its own answers on the loopback)
"""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from provenance_client import SyncProvenance, create_sync

EVENT: dict[str, Any] = {
    "resource_type": "USER",
    "resource_id": "user-123",
    "action": "UPDATE",
    "interaction": {"email": "user@example.com", "plan": "starter", "tags": ["a", "b"], "amount": 12.5},
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        items = json.loads(self.rfile.read(int(self.headers["content-length"])))["items"]
        results = [{"index": index, "status": "created", "interactionId": "i"} for index in range(len(items))]
        sums = {"created": len(items), "duplicates": 0, "failed": 0}
        content = json.dumps({"items": results, **sums}).encode()
        self.send_response(201)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _serve(port: Any) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    port.send(server.server_address[1])
    server.serve_forever()


def _measure(name: str, provenance: SyncProvenance, count: int, pause: float) -> None:
    times = []
    began = time.perf_counter()
    for _ in range(count):
        start = time.perf_counter_ns()
        provenance.log(**EVENT)
        times.append(time.perf_counter_ns() - start)
        if pause:
            time.sleep(pause)
    rate = count / (time.perf_counter() - began)
    times.sort()
    p50, p99, p999 = (times[int(count * q)] / 1000 for q in (0.5, 0.99, 0.999))
    print(
        f"{name:34} {count:7,} calls {rate:9,.0f}/s   p50 {p50:7.0f}   p99 {p99:7.0f}   p99.9 {p999:8.0f}"
        f"   max {times[-1] / 1000:8.0f} µs"
    )


def _recorder(url: str, folder: str, **options: Any) -> SyncProvenance:
    return create_sync(api_url=url, api_key="pv_bench_secret", origin="BENCH", spool_dir=folder, **options)


def main() -> None:
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    url = f"http://127.0.0.1:{ours.recv()}/api"
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{unused.getsockname()[1]}/api"
        print(f"{os.cpu_count()} cores")
        for name, where, count, pause in (
            ("as fast as it goes", url, 50_000, 0.0),
            ("1 ms between calls", url, 3_000, 0.001),
            ("as fast as it goes, no server", nowhere, 50_000, 0.0),
            ("1 ms between calls, no server", nowhere, 3_000, 0.001),
        ):
            with tempfile.TemporaryDirectory() as folder:
                provenance = _recorder(where, folder)
                _measure(name, provenance, count, pause)
                provenance.close(60 if where == url else 0)
                assert where == nowhere or provenance.stats().dropped == 0
    process.terminate()
    process.join()


if __name__ == "__main__":
    main()
