"""An embedded PostgreSQL under our own supervisor (docs/decisions/0001-postgresql-embedded-by-default.md).

`EmbeddedPostgres` owns one data folder: it creates the cluster, starts the server on a Unix socket, adopts or
cleans up what an earlier process left, and stops everything again, also when its own process is killed. It
knows no feature of the product. Imports here stay few: the process that supervises lives as long as the server.
"""

from .binaries import Binaries, binaries
from .errors import EmbeddedPostgresError, FolderInUse, StartFailed
from .server import EmbeddedPostgres, Status

__all__ = [
    "Binaries",
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "FolderInUse",
    "StartFailed",
    "Status",
    "binaries",
]
