"""Interactions that the server refused for good, kept with the reason, the newest thousand of them."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from provenance_client.content import utc_text

MAX_DEAD_LETTERS = 1_000
_TABLE = """CREATE TABLE IF NOT EXISTS dead_letter (id INTEGER PRIMARY KEY, at TEXT NOT NULL, status INTEGER,
    code TEXT NOT NULL, detail TEXT NOT NULL, body TEXT NOT NULL)"""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One refused interaction.

    `interaction` as it was sent (wire spelling), and the server's `status`, `code`, `detail`.
    """

    at: str
    status: int | None
    code: str
    detail: str
    interaction: dict[str, Any]


class DeadLetters:
    """The refused interactions of one spool folder, shared by its processes; opened only when needed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, body: str, *, status: int | None, code: str, detail: str) -> None:
        """Keep one; the oldest beyond the bound goes."""
        with closing(self._open()) as connection:
            connection.execute(
                "INSERT INTO dead_letter (at, status, code, detail, body) VALUES (?, ?, ?, ?, ?)",
                (utc_text(datetime.now(UTC)), status, code, detail, body),
            )
            connection.execute(
                "DELETE FROM dead_letter WHERE id <= (SELECT max(id) FROM dead_letter) - ?",
                (MAX_DEAD_LETTERS,),
            )

    def list(self) -> list[DeadLetter]:
        """Those kept, oldest first."""
        if not self._path.exists():
            return []
        with closing(self._open()) as connection:
            rows = connection.execute("SELECT at, status, code, detail, body FROM dead_letter ORDER BY id").fetchall()
        return [DeadLetter(at, status, code, detail, json.loads(body)) for at, status, code, detail, body in rows]

    def clear(self) -> int:
        """Forget them all; answers how many there were."""
        if not self._path.exists():
            return 0
        with closing(self._open()) as connection:
            return connection.execute("DELETE FROM dead_letter").rowcount

    def _open(self) -> sqlite3.Connection:
        # Made here first, so that it is for its owner's eyes only, like the spool.
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=10.0)
        connection.execute(_TABLE)
        return connection
