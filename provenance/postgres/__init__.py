"""An embedded PostgreSQL under our own supervisor (docs/decisions/0001-postgresql-embedded-by-default.md).

`EmbeddedPostgres` owns one data folder: it creates the cluster, starts the server on a Unix socket, adopts
or cleans up what an earlier process left, and stops everything again, also when its own process is killed.
`reach` is for a command that needs the database for a moment, whether or not it runs. Nothing here knows a
feature of the product, and imports stay few: the process that supervises lives as long as the server.
"""

from .binaries import Binaries, binaries
from .errors import EmbeddedPostgresError, FolderInUse, StartFailed
from .reach import reach
from .run_as import RootMode
from .server import EmbeddedPostgres, Status

__all__ = [
    "Binaries",
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "FolderInUse",
    "RootMode",
    "StartFailed",
    "Status",
    "binaries",
    "reach",
]
