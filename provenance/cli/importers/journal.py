"""How far an import came, kept in a small file, so that an interrupted one goes on where it was."""

import json
from dataclasses import asdict, dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Self

from provenance.cli.settings import Connection, key_id, write_private

MOST_FAILURES = 1_000
"""Failures that are remembered with their reason; beyond it they are only counted."""


@dataclass(slots=True)
class Progress:
    """What became of the records so far; `position` is how many of the source's records are settled."""

    position: int = 0
    created: int = 0
    duplicates: int = 0
    failed: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)

    def fail(self, where: str, reason: str) -> None:
        """Count a failure, and remember its place and reason while there is room."""
        self.failed += 1
        if len(self.failures) < MOST_FAILURES:
            self.failures.append((where, reason))


class Journal:
    """The state file of one import: this importer, source and content, into this workspace of this server."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    @classmethod
    def of(cls, importer: str, source: str, fingerprint: str | None, connection: Connection) -> Self:
        """Return the journal of an import.

        One without a path, which remembers nothing, for a source read once.
        """
        if fingerprint is None:
            return cls(None)
        from platformdirs import user_state_path

        # A key's public part stands for its workspace; the secret has no business in a file name.
        workspace = key_id(connection.api_key)
        identity = [importer, str(Path(source).resolve()), fingerprint, connection.api_url, workspace]
        name = sha256(json.dumps(identity).encode()).hexdigest()[:32]
        return cls(user_state_path("provenance", appauthor=False) / "imports" / f"{name}.json")

    def read(self) -> Progress:
        """Return what an interrupted import left, or a fresh start when there is nothing usable."""
        try:
            found = json.loads(self.path.read_text("utf-8")) if self.path else {}
            known = {each.name: found[each.name] for each in fields(Progress) if each.name in found}
            progress = Progress(**known)
            progress.failures = [(str(where), str(reason)) for where, reason in progress.failures]
        except (OSError, ValueError, TypeError):
            return Progress()
        return progress

    def write(self, progress: Progress) -> None:
        """Remember the progress. Raises Misused when the state folder cannot be written."""
        if self.path:
            write_private(self.path, json.dumps(asdict(progress)))

    def remove(self) -> None:
        """Forget it: the import is complete, or is to start over."""
        if self.path:
            self.path.unlink(missing_ok=True)
