"""Copying the whole database into one file, and back: `pg_dump` and `pg_restore` with care around them."""

import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from shutil import copyfileobj

import typer

from provenance.cli.errors import Misused, Refused
from provenance.postgres import Binaries, binaries
from provenance.postgres.client import client_environment

_CONTENT = "dumping contents of table"
_TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
_OTHERS = """SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""
# In the same transaction as the restore: either the old content is there or the new one, never neither.
_CLEAR = """DO $$ DECLARE s text; BEGIN
FOR s IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
EXECUTE format('DROP SCHEMA %I CASCADE', s); END LOOP; END $$;
CREATE SCHEMA public;
"""


def dump(url: str, target: Path) -> int:
    """Write a backup (custom format, mode 0600) and return its size in bytes.

    It appears under its name when it is complete and on the disk, and not before.

    Raises:
        Misused: the file cannot be written there.
        Refused: `pg_dump` failed; its words are in the text.

    """
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise Misused(f"cannot write {target}: {error.strerror}") from error
    # By name: into its standard output it writes the table of contents without the places of the contents.
    options = ["--format=custom", "--no-owner", "--no-privileges", "--verbose", f"--file={unfinished}"]
    try:
        with subprocess.Popen(  # noqa: S603  (our own binary)
            [binaries().program("pg_dump"), *options],
            stderr=subprocess.PIPE,
            env=client_environment(url),
            text=True,
        ) as process:
            words = _report(process, unfinished)
        if process.returncode != 0:
            raise Refused(f"pg_dump ended with status {process.returncode}:\n{words}")
        # `pg_dump` has synced the content; the name is the last thing.
        unfinished.replace(target)
        return target.stat().st_size
    finally:
        unfinished.unlink(missing_ok=True)


def _report(process: subprocess.Popen[str], file: Path) -> str:
    """Show what is being written, twice a second at most; return the end of what the program said."""
    words: list[str] = []
    shown = 0.0
    assert process.stderr is not None
    for line in process.stderr:
        words = [*words[-20:], line]
        if _CONTENT in line and time.monotonic() - shown > 0.5:
            shown = time.monotonic()
            table = line.partition(_CONTENT)[2].strip().strip('"')
            typer.echo(f"  {file.stat().st_size / 1e6:10,.1f} MB  {table}", err=True)
    return "".join(words)


def restore(url: str, source: Path, *, force: bool) -> None:
    """Bring a backup into a database, all or nothing.

    Raises:
        Misused: the file is not a backup.
        Refused: the database has content (without `force`), others are connected, or the restore failed.

    """
    programs, environment = binaries(), client_environment(url)
    _require_backup(programs, source)
    others = _number(programs, environment, _OTHERS)
    if others:
        raise Refused(f"{others} other connections use this database; stop `up`, `serve` and `worker` first")
    empty = _number(programs, environment, _TABLES) == 0
    if not empty and not force:
        raise Refused("the database is not empty; --force replaces everything in it")
    from_file = [programs.program("pg_restore"), "--no-owner", "--no-privileges"]
    if empty:
        database = f"--dbname={environment.get('PGDATABASE', '')}"
        command = [*from_file, "--single-transaction", "--exit-on-error", database, str(source)]
        _run(command, environment, "pg_restore")
    else:
        _replace([*from_file, "--file=-", str(source)], programs, environment)


def _replace(script: list[str], programs: Binaries, environment: dict[str, str]) -> None:
    """Clear the database and run a restore's script in one transaction; commit only when both were whole."""
    psql = [programs.program("psql"), "-Xq", "-v", "ON_ERROR_STOP=1"]
    with (
        subprocess.Popen(script, stdout=subprocess.PIPE, env=environment) as source,  # noqa: S603
        subprocess.Popen(  # noqa: S603
            psql, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
        ) as target,
    ):
        assert source.stdout is not None
        assert target.stdin is not None
        assert target.stderr is not None
        with suppress(BrokenPipeError):
            target.stdin.write(b"BEGIN;\n" + _CLEAR.encode())
            copyfileobj(source.stdout, target.stdin)
            # Without this line, and so with a damaged file, the end of the input rolls everything back.
            if source.wait() == 0:
                target.stdin.write(b"COMMIT;\n")
        source.stdout.close()
        with suppress(BrokenPipeError):
            target.stdin.close()
        problem = target.stderr.read().decode(errors="replace").strip()
    if source.returncode != 0 or target.returncode != 0:
        raise Refused(f"the restore failed and changed nothing:\n{problem[-2000:]}")


def _require_backup(programs: Binaries, source: Path) -> None:
    listing = subprocess.run(  # noqa: S603  (our own binary)
        [programs.program("pg_restore"), "--list", str(source)], capture_output=True, text=True, check=False
    )
    if listing.returncode != 0:
        raise Misused(f"{source} is not a backup of this program: {listing.stderr.strip()}")


def _number(programs: Binaries, environment: dict[str, str], sql: str) -> int:
    return int(_run([programs.program("psql"), "-XAtc", sql], environment, "psql"))


def _run(command: list[str], environment: dict[str, str], name: str) -> str:
    result = subprocess.run(  # noqa: S603  (our own binaries)
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise Refused(f"{name} ended with status {result.returncode}:\n{result.stderr.strip()[-2000:]}")
    return result.stdout
