"""A process that supervises one data folder: prints what it started as JSON, stops when its input ends.

Run as a script, with the package on its path only: an ordinary user of another Python can run it too.
"""

import json
import sys
from pathlib import Path

from provenance.postgres import EmbeddedPostgres


def main() -> None:
    server = EmbeddedPostgres(Path(sys.argv[1]))
    dsn = server.start()
    print(json.dumps({"dsn": dsn, "postmaster": server.pid, "watchdog": server.watchdog.pid}), flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
