"""Small stand-ins for the children: the parent's behaviour without the weight of the real ones.

`stand_in.py ROLE [TRICK]`; what happened is appended to `<data>/events`, one line each.
"""

import http.server
import json
import os
import select
import signal
import sys
from pathlib import Path

from provenance.up.gate import wait_at_gate
from provenance.up.processes import NOT_MIGRATED
from provenance.up.siblings import are_to_part, parted

DATA = Path(os.environ["PROVENANCE_DATA_DIR"])


def note(event: str) -> None:
    with (DATA / "events").open("a") as file:
        file.write(f"{event} {os.getpid()}\n")


class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(http.server.HTTPServer):
    allow_reuse_port = True


def listening() -> Server:
    return Server(("127.0.0.1", int(os.environ["PROVENANCE_PORT"])), Ready)


def until_terminated(role: str, trick: str, server: Server | None = None) -> None:
    def end(number: int, frame: object) -> None:
        note(f"{role}-terminated")
        if trick != "stubborn":
            sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    note(f"{role}-started")
    if role.startswith("serve"):
        (server or listening()).serve_forever()
    while True:
        signal.pause()


def leave_an_orphan() -> None:
    """A process whose parent ends before it does."""
    middle = os.fork()
    if middle == 0:
        if os.fork() == 0:
            note("orphan-started")
        os._exit(0)
    os.waitpid(middle, 0)


def kill_my_sibling() -> None:
    """End the other process that has our parent and our command line."""
    own = Path("/proc/self/cmdline").read_bytes()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            same = (entry / "cmdline").read_bytes() == own
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if same and parent == os.getppid() and int(entry.name) != os.getpid():
            os.kill(int(entry.name), signal.SIGKILL)


def main() -> None:
    role, trick, server = sys.argv[1], "".join(sys.argv[2:]), None
    assert wait_at_gate()
    if trick == "dies-in-labour":
        os.kill(os.getpid(), signal.SIGKILL)
    if trick in ("parts", "mourns") and are_to_part():
        role = parted()
        if trick == "mourns":
            kill_my_sibling()
    if trick == "parts-when-asked" and are_to_part():
        server = listening()
        select.select([server], [], [])  # the parent asks whether it answers; one of the siblings will
        role = parted()
    if trick == "leaves-an-orphan":
        leave_an_orphan()
    if trick == "fails":
        note(f"{role}-failed")
        sys.exit(5)
    if trick == "unmigrated":
        sys.exit(NOT_MIGRATED)
    if role == "serve":
        assert os.environ["PROVENANCE_MIGRATE_FIRST"] == "1"
        (DATA / "credentials.json").write_text(json.dumps({"apiKey": "pv_shown_once"}))
    until_terminated(role, trick, server)


if __name__ == "__main__":
    main()
