"""What one `provenance up` is to run."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, cast

from provenance.postgres import RootMode

#: Tells a child which process is its parent.
PARENT = "PROVENANCE_SUPERVISOR"
#: Tells a server process which of several it is: 1 to the number of them.
NUMBER = "PROVENANCE_SERVER_NUMBER"
#: Tells `serve` to bring the schema up to date before it answers.
MIGRATE_FIRST = "PROVENANCE_MIGRATE_FIRST"


class Programs(NamedTuple):
    """The command lines of the children."""

    serve: tuple[str, ...]
    worker: tuple[str, ...]


def own_programs() -> Programs:
    """Return the children of this installation."""
    return Programs(*((sys.executable, "-m", "provenance.up", name) for name in Programs._fields))


class Plan(NamedTuple):
    """The data folder, the address to listen on, whether it is HTTPS and how many servers share it, and a database
    of one's own, if any.
    """

    data_dir: Path
    host: str
    port: int
    database_url: str | None
    public_url: str | None
    root_mode: RootMode
    programs: Programs
    encrypted: bool = False
    servers: int = 1

    def child_environment(self, database_url: str) -> dict[str, str]:
        """Return the environment of the children: ours, and where this plan's database and folder are."""
        return {
            **os.environ,
            "DATABASE_URL": database_url,
            "PROVENANCE_DATA_DIR": str(self.data_dir),
            "PROVENANCE_HOST": self.host,
            "PROVENANCE_PORT": str(self.port),
            PARENT: str(os.getpid()),
            MIGRATE_FIRST: "1",
        }

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Plan:
        """Read PROVENANCE_DATA_DIR (required), _HOST, _PORT, _SERVERS, _ROOT_MODE, DATABASE_URL and PUBLIC_URL.

        The command `provenance up` has checked and set them; the children read the same variables.
        """
        return cls(
            data_dir=Path(environ["PROVENANCE_DATA_DIR"]),
            host=environ.get("PROVENANCE_HOST", "127.0.0.1"),
            port=int(environ.get("PROVENANCE_PORT", "7300")),
            database_url=environ.get("DATABASE_URL") or environ.get("PROVENANCE_DATABASE_URL") or None,
            public_url=environ.get("PUBLIC_URL") or environ.get("PROVENANCE_PUBLIC_URL") or None,
            root_mode=cast(RootMode, environ.get("PROVENANCE_ROOT_MODE", "auto")),
            programs=own_programs(),
            encrypted=bool(environ.get("PROVENANCE_TLS_CERT")),
            servers=int(environ.get("PROVENANCE_SERVERS", "1")),
        )
