"""`import git`: every commit of a repository as an interaction, read from `git log` as it streams."""

import os
import re
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from provenance.cli.importers.contract import BadSource, Record, Unreadable
from provenance.cli.importers.units import commit_unit

FIELDS = ("%H", "%P", "%an", "%ae", "%aI", "%cn", "%ce", "%cI", "%B")
"""What is asked of each commit; NUL stands between them, the one character none of them can hold."""

REFS = ("--branches", "--tags", "--remotes")

SETTINGS = ("-c", "log.showSignature=false", "-c", "core.quotePath=false", "-c", "log.mailmap=false")
"""What a repository's own configuration must not change (it could also start programs)."""

MOST_PATHS = 500
"""Paths that an interaction lists; `filesChanged` counts all of them."""

MOST_RELATED = 60
"""Paths up to which each is a related resource too (the ledger takes 64, and parents need room)."""

_COMMIT = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_REMOTE = re.compile(r"^(?:[a-z+]+://)?(?:[^@/]+@)?[^/:]+(?::\d+/|[:/])(.+?)(?:\.git)?/*$")


class GitHistory:
    """Reads the commits of all branches, tags and remotes, oldest first, out of a local repository."""

    name = "git"
    help = "Import the commits of a local git repository, all branches and tags."
    source = "REPO"

    def records(self, source: str) -> Iterator[Record | Unreadable]:
        """Yield a record per commit. Raises BadSource when there is no repository or git refuses to read it."""
        repository = repository_name(source)
        log = ("log", "-z", "--reverse", "--topo-order", "--raw", "--no-renames", "--no-abbrev", "--no-ext-diff")
        pretty = "--format=tformat:" + "%x00".join(FIELDS)
        with _git(source, *log, "--no-textconv", "--encoding=UTF-8", pretty, *_tips(source)) as process:
            assert process.stdout
            for commit, changes in _commits(_tokens(process.stdout)):
                yield _record(repository, commit, changes)
            if process.wait():
                raise BadSource(f"git stopped while reading {source} (exit {process.returncode}).")

    def total(self, source: str) -> int | None:
        """Return the number of commits."""
        return int(_answer(source, "rev-list", "--count", *_tips(source)))

    def fingerprint(self, source: str) -> str | None:
        """Return a digest of everything that branches, tags and remotes point at."""
        return sha256(_answer(source, "rev-parse", *_tips(source)).encode()).hexdigest()
