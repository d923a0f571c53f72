"""How a recorder keeps and sends what it is given."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, TypedDict

from provenance_client.recording.spool import SpoolSync

OnFull = Literal["raise", "drop"]


class RecordingOptions(TypedDict, total=False):
    """The optional arguments of `create` and `create_sync`.

    `Options` says what each means and its default.
    """

    spool_dir: str | os.PathLike[str]
    spool_sync: SpoolSync
    on_full: OnFull
    max_spool_rows: int
    max_spool_bytes: int
    batch_rows: int
    linger: float
    timeout: float
    adopt_every: float
    exit_timeout: float


@dataclass(frozen=True, slots=True)
class Options:
    """Times are seconds.

    `spool_dir`: None for a folder of this server and key in the user's state folder; a folder of your own
    belongs to this service, and whatever dead processes left in it is sent with the present key.
    `spool_sync`: `"normal"` survives a kill, `"full"` a power loss. `on_full`: raise SpoolFull, or drop and
    count. `max_spool_rows`, `max_spool_bytes`: what one process may leave waiting. `batch_rows`: most
    interactions per request. `linger`: wait for company before a request. `timeout`: of a request.
    `adopt_every`: look for the files of dead processes. `exit_timeout`: flush for so long when the program
    ends.
    """

    spool_dir: str | os.PathLike[str] | None = None
    spool_sync: SpoolSync = "normal"
    on_full: OnFull = "raise"
    max_spool_rows: int = 100_000
    max_spool_bytes: int = 256 * 1024 * 1024
    batch_rows: int = 1_000
    linger: float = 0.05
    timeout: float = 30.0
    adopt_every: float = 30.0
    exit_timeout: float = 2.0
