"""The database of a data folder for a moment, whether or not its server runs already."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from . import postmaster
from .errors import FolderInUse, NotReady
from .passwords import passwords_of
from .place import cluster_folder, dsn
from .run_as import RootMode
from .server import EmbeddedPostgres

#: How long a server that somebody else is starting may take to be ready (seconds).
_PATIENCE = 60.0


@contextmanager
def reach(data_dir: Path, root_mode: RootMode = "auto") -> Iterator[str]:
    """Yield the DSN of the folder's database; start its server when nobody runs it, and then stop it again.

    Raises:
        NotReady: another process holds the folder and its server is not ready within a minute.

    And what `EmbeddedPostgres.start` raises.

    """
    server = EmbeddedPostgres(data_dir, root_mode=root_mode)
    with ExitStack() as stack:
        try:
            address = stack.enter_context(server)
        except FolderInUse as refusal:
            address = _await_other(data_dir, refusal)
        yield address


def _await_other(data_dir: Path, refusal: FolderInUse) -> str:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        found = postmaster.running(cluster_folder(data_dir))
        if found and found.status == "ready":
            return dsn(Path(found.socket_dir), passwords_of(data_dir))
        time.sleep(0.05)
    raise NotReady(str(data_dir), _PATIENCE) from refusal
