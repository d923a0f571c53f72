"""The cluster on disk: creating it in one step that a crash cannot leave half done, and its settings."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .errors import DurabilityMismatch, StartFailed, WrongMajor
from .passwords import Passwords
from .place import DATABASE, ROLE
from .run_as import RunAs

SUPERUSER = "postgres"

#: Lanes, pools and leaders: a server takes some 20, each worker 25.
CONNECTIONS = 120

#: In the cluster's folder when it was made for throw-away use, with writes that a crash may lose.
_THROWAWAY = "provenance.throwaway"

# Each line that differs from PostgreSQL's default says why.
_SETTINGS = """\
# Written at every start; put your own settings in local.conf beside this file, they win.
listen_addresses = ''            # no network: the socket folder is the only door
unix_socket_permissions = 0700
max_connections = {connections}            # each takes memory, used or not
cluster_name = 'provenance'

shared_buffers = 128MB
effective_cache_size = 1GB
work_mem = 8MB
maintenance_work_mem = 64MB
huge_pages = off                 # taken pages would count against us while idle
max_worker_processes = 4
max_parallel_workers = 2
max_parallel_workers_per_gather = 1
max_parallel_maintenance_workers = 1
max_logical_replication_workers = 0
max_wal_senders = 2              # enough for one pg_basebackup
max_replication_slots = 2
jit = off                        # short statements: compiling costs more than it saves
random_page_cost = 1.1           # solid-state disks

fsync = on
synchronous_commit = on
full_page_writes = on
wal_compression = pglz
wal_buffers = 8MB
min_wal_size = 256MB             # recycle segments instead of making new ones
max_wal_size = 2GB
checkpoint_timeout = 15min
checkpoint_completion_target = 0.9

autovacuum_max_workers = 2
autovacuum_naptime = 30s
autovacuum_vacuum_insert_threshold = 5000      # append-only tables: set the visibility map early,
autovacuum_vacuum_insert_scale_factor = 0.05   # so that index-only scans need no heap
autovacuum_analyze_scale_factor = 0.05
autovacuum_vacuum_scale_factor = 0.1
track_io_timing = off

timezone = 'UTC'
log_timezone = 'UTC'
logging_collector = on           # seven files, one per weekday, each overwritten a week later
log_directory = 'log'
log_filename = 'postgresql-%a.log'
log_truncate_on_rotation = on
log_rotation_age = 1d
log_rotation_size = 0
log_file_mode = 0600
log_checkpoints = off
log_error_verbosity = terse      # the detail of an error quotes rows
log_line_prefix = '%m [%p] %a '
"""

_SETTINGS_FROM_18 = """
io_method = sync                 # saves the three I/O processes
"""

_THROWAWAY_SETTINGS = """
max_connections = 200            # many servers of a test run share it
# This folder was made for throw-away use: a crash may lose or damage its data.
fsync = off
synchronous_commit = off
full_page_writes = off
"""


def exists(pgdata: Path) -> bool:
    """Tell whether a finished cluster is there."""
    return (pgdata / "PG_VERSION").exists()


def create(pgdata: Path, run_as: RunAs, private: Path, passwords: Passwords, *, durable: bool) -> None:
    """Create a cluster with the role and the database `provenance`.

    All happens in a folder beside it that is renamed at the end, so a crash leaves either no cluster or a
    whole one. `private` is a folder of the server's user alone, for the password file `initdb` wants.

    Raises:
        StartFailed: one of the tools failed; its output is in the text.

    """
    for left in pgdata.parent.glob(f"{pgdata.name}.new.*"):
        shutil.rmtree(left, ignore_errors=True)
    # A name of its own: the tools of a killed attempt may still be writing into theirs.
    unfinished = pgdata.with_name(f"{pgdata.name}.new.{os.getpid()}")
    unfinished.mkdir(mode=0o700)
    run_as.own(unfinished)
    password_file = private / "initdb.password"
    password_file.unlink(missing_ok=True)
    with os.fdopen(os.open(password_file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(passwords.superuser)
    run_as.own(password_file)
    try:
        _initdb(unfinished, run_as, password_file)
    finally:
        password_file.unlink()
    with (unfinished / "postgresql.conf").open("a") as file:
        file.write("\ninclude = 'provenance.conf'\ninclude_if_exists = 'local.conf'\n")
    if not durable:
        (unfinished / _THROWAWAY).touch()
    write_settings(unfinished, run_as, durable=durable)
    _create_database(unfinished, run_as, passwords.role)
    if durable:
        _step("initdb --sync-only", run_as, ["initdb", "--sync-only", "-D", str(unfinished)])
    unfinished.rename(pgdata)


def write_settings(pgdata: Path, run_as: RunAs, *, durable: bool, connections: int = CONNECTIONS) -> None:
    """Write the settings file of this version of the product, for so many connections at most.

    Raises:
        DurabilityMismatch: the cluster was made with the other durability.

    """
    if (pgdata / _THROWAWAY).exists() == durable:
        raise DurabilityMismatch(str(pgdata), durable=durable)
    target, fresh = pgdata / "provenance.conf", pgdata / "provenance.conf.new"
    parts = [_SETTINGS.replace("{connections}", str(connections))]
    parts += [_SETTINGS_FROM_18] if run_as.binaries.major() >= 18 else []
    parts += [] if durable else [_THROWAWAY_SETTINGS]
    fresh.write_text("".join(parts))
    fresh.chmod(0o600)
    run_as.own(fresh)
    fresh.rename(target)


def require_major(pgdata: Path, run_as: RunAs) -> None:
    """Refuse data of another major version before the server does so in its log.

    Raises:
        WrongMajor: the data needs other binaries.

    """
    found = (pgdata / "PG_VERSION").read_text().strip()
    ours = str(run_as.binaries.major())
    if found != ours:
        raise WrongMajor(str(pgdata), found, ours)


def _initdb(pgdata: Path, run_as: RunAs, password_file: Path) -> None:
    options = ["--auth=scram-sha-256", f"--pwfile={password_file}", f"--username={SUPERUSER}"]
    options += ["--data-checksums", "--locale=C", "--encoding=UTF8"]
    # Syncing once at the end, after the database is made, takes a third of the time.
    options += ["--no-sync", "--no-instructions"]
    _step("initdb", run_as, ["initdb", "-D", str(pgdata), *options])


def _create_database(pgdata: Path, run_as: RunAs, password: str) -> None:
    sql = (
        f"CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{password}'\n"
        f"CREATE DATABASE {DATABASE} OWNER {ROLE}\n"
        f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC\n"
    )
    # A single process without a socket; `-F` because the whole folder is synced afterwards.
    quiet = ["-c", "logging_collector=off", "-c", "log_min_error_statement=panic"]
    command = ["postgres", "--single", "-F", "-j", *quiet, "-D", str(pgdata), "template1"]
    _step("postgres --single", run_as, command, text=sql.replace("\n", ";\n\n"))


def _step(name: str, run_as: RunAs, command: list[str], text: str = "") -> None:
    program, *arguments = command
    status, output = run_as.run([run_as.binaries.program(program), *arguments], text=text)
    # `postgres --single` goes on after a failed statement and reports success.
    if status != 0 or "ERROR:" in output or "FATAL:" in output:
        raise StartFailed(name, status, output[-2000:])
