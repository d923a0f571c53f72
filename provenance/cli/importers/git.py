"""`import git`: every commit of a repository as an interaction, read from `git log` as it streams."""

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import IO

from provenance.cli.importers.contract import BadSource, Record, Unreadable
from provenance.cli.importers.units import commit_unit

FIELDS = ("%H", "%P", "%an", "%ae", "%aI", "%cn", "%ce", "%cI", "%B")
"""What is asked of each commit; NUL stands between them, the one character none of them can hold."""

SAFE = ("-c", "log.showSignature=false", "-c", "log.mailmap=false", "-c", "core.fsmonitor=false")
"""Settings that a repository's own configuration must not change.

It could change the output or start programs.
"""

MOST_PATHS = 500
"""Paths that an interaction lists; `filesChanged` counts all of them."""

MOST_RELATED = 48
"""Paths up to which each is a related resource too: the ledger takes 64, and parents need room."""

CHUNK = 1 << 16

_COMMIT = re.compile(rb"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_REMOTE = re.compile(r"(?:[a-z][a-z0-9+.-]*://[^/]+/|(?:[^/@]+@)?[^/:]+:(?!/))(.+?)(?:\.git)?/*$")


class GitHistory:
    """Reads the commits of all branches, tags and remotes, parents first, out of a local repository."""

    name = "git"
    help = "Import the commits of a local git repository, of all branches and tags."
    source = "REPO"

    def records(self, source: str) -> Iterator[Record | Unreadable]:
        """Yield a record per commit.

        Raises BadSource when there is no repository or git refuses to read it.
        """
        repository = repository_name(source)
        pretty = f"--format=tformat:{'%x00'.join(FIELDS)}"
        order = ("-z", "--reverse", "--topo-order", "--encoding=UTF-8", pretty)
        changes = ("--name-status", "--no-renames", "--no-ext-diff", "--no-textconv")
        command = _command(source, "log", *order, *changes, *_tips(source))
        with subprocess.Popen(  # noqa: S603 - a fixed program and our own arguments
            command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=_environment()
        ) as git:
            assert git.stdout
            for fields, paths in _commits(_tokens(git.stdout)):
                yield _record(repository, fields, paths)
        if git.returncode:
            raise BadSource(f"git stopped while reading {source} (exit {git.returncode}).")

    def total(self, source: str) -> int | None:
        """Return the number of commits."""
        return int(_answer(source, "rev-list", "--count", *_tips(source)))

    def fingerprint(self, source: str) -> str | None:
        """Return a digest of everything that branches, tags and remotes point at."""
        return sha256(_answer(source, "rev-parse", *_tips(source)).encode()).hexdigest()


def repository_name(source: str) -> str:
    """Return `owner/repo` of the remote `origin`, else the folder's name.

    The same word other importers use.
    """
    folder = Path(_answer(source, "rev-parse", "--absolute-git-dir").strip())
    remote = _answer(source, "config", "--default", "", "--get", "remote.origin.url").strip()
    found = _REMOTE.match(remote)
    own = folder.parent.name if folder.name == ".git" else folder.name.removesuffix(".git")
    return found[1] if found else own


def _record(repository: str, fields: list[str], paths: list[tuple[str, str]]) -> Record:
    sha, parents, author, email, authored, committer, committer_email, committed, message = fields
    above = parents.split()
    subject, _, body = message.strip("\n").partition("\n")
    content = {
        "subject": subject,
        "body": body.strip("\n"),
        "author": {"name": author, "email": email, "date": authored},
        "committer": {"name": committer, "email": committer_email, "date": committed},
        "parents": above,
        "filesChanged": len(paths),
        "files": [{"status": status, "path": path} for status, path in paths[:MOST_PATHS]],
    }
    item = {
        "idempotencyKey": f"git:{repository}:{sha}",
        "resourceType": "COMMIT",
        "resourceId": f"{repository}@{sha}",
        "action": "MERGE" if len(above) > 1 else "COMMIT",
        "origin": "GIT",
        "userId": email[:512] or None,
        "uowId": commit_unit(repository, sha),
        "timestamp": committed,
        "relatedResources": _related(repository, above, [path for _, path in paths]),
        "interaction": content,
    }
    return Record(f"commit {sha[:12]}", {name: value for name, value in item.items() if value is not None})


def _related(repository: str, parents: list[str], paths: list[str]) -> list[dict[str, str]]:
    """Return the repository, the parents and, unless there are too many, the files, as related resources."""
    found = [_resource("REPOSITORY", repository, "affected")]
    found += [_resource("COMMIT", f"{repository}@{sha}", "used") for sha in parents[:15]]
    files = [f"{repository}/{path}" for path in paths]
    if len(files) <= MOST_RELATED:
        found += [_resource("FILE", name, "affected") for name in files if len(name) <= 512]
    return found


def _resource(kind: str, name: str, role: str) -> dict[str, str]:
    return {"resourceType": kind, "resourceId": name, "role": role}


def _commits(tokens: Iterable[bytes]) -> Iterator[tuple[list[str], list[tuple[str, str]]]]:
    """Group git's tokens: the fields of a commit, then status and path of each file."""
    fields: list[str] = []
    paths: list[tuple[str, str]] = []
    stream = iter(tokens)
    for token in stream:
        if len(fields) == len(FIELDS) and not _COMMIT.match(token):
            # A line break parts the first status from the message.
            paths.append((_text(token.lstrip(b"\n")), _text(next(stream, b""))))
            continue
        if len(fields) == len(FIELDS):
            yield fields, paths
            fields, paths = [], []
        fields.append(_text(token))
    if len(fields) == len(FIELDS):
        yield fields, paths


def _tokens(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield what stands between NULs, without holding more than one commit in memory."""
    rest = b""
    while chunk := stream.read(CHUNK):
        *whole, rest = (rest + chunk).split(b"\0")
        yield from whole
    if rest.strip(b"\n"):
        yield rest


def _text(token: bytes) -> str:
    return token.decode("utf-8", errors="replace")


def _tips(source: str) -> list[str]:
    """Return the arguments that name every commit to read; a detached HEAD counts, an unborn one does not."""
    head = _answer(source, "rev-parse", "--verify", "--quiet", "HEAD", may_fail=True)
    return [*(["HEAD"] if head else []), "--branches", "--tags", "--remotes"]


def _answer(source: str, *arguments: str, may_fail: bool = False) -> str:
    """Return what a git command prints. Raises BadSource with git's own words when it fails."""
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program and our own arguments
            _command(source, *arguments),
            capture_output=True,
            env=_environment(),
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        raise BadSource(f"git cannot be run ({error.strerror}). Install git and try again.") from error
    if done.returncode and not may_fail:
        reason = _text(done.stderr).strip() or f"exit {done.returncode}"
        raise BadSource(f"{source} cannot be read as a git repository: {reason}\nGive a local clone's folder.")
    return _text(done.stdout)


def _command(source: str, *arguments: str) -> list[str]:
    return ["git", "-C", source, "--no-pager", *SAFE, *arguments]


def _environment() -> dict[str, str]:
    """Return our environment without what would point git elsewhere, and with a word against the network."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {
        **kept,
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }
