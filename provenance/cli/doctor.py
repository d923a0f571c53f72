"""`provenance doctor`: what an operator checks first, each with its finding and, when it fails, its cure."""

import os
import stat
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from provenance.postgres import EmbeddedPostgresError, RootMode, binaries, reach
from provenance.postgres.lock import FolderLock
from provenance.postgres.place import cluster_folder
from provenance.postgres.run_as import choose
from provenance.up.greeting import LOW_DISK, port_is_taken
from provenance.up.plan import Plan, own_programs


class Finding(NamedTuple):
    """The result of one check; only `failed` makes the command end with 1."""

    check: str
    result: Literal["ok", "note", "failed"]
    text: str


class Subject(NamedTuple):
    """What is examined."""

    data_dir: Path
    host: str
    port: int
    database_url: str | None
    root_mode: RootMode

    @property
    def has_cluster(self) -> bool:
        """Tell whether an embedded database was made here."""
        return (cluster_folder(self.data_dir) / "PG_VERSION").exists()

    @property
    def holder(self) -> int | None:
        """The `provenance up` that runs on this folder now."""
        return FolderLock(self.data_dir / "postgres.lock").seen_holder()


def examine(subject: Subject) -> Iterator[Finding]:
    """Run every check in order; a check that breaks is a finding, too."""
    checks: list[Callable[[Subject], Iterator[Finding]]] = [_python, _sandbox, _folder, _disk, _port, _master_key]
    if subject.database_url is None:
        checks[1:1] = [_programs, _run_as]
    checks.append(_database)
    for check in checks:
        try:
            yield from check(subject)
        except Exception as error:  # whatever broke belongs in the table, not in a traceback
            yield Finding(check.__name__.strip("_").replace("_", " "), "failed", str(error) or repr(error))


def _python(subject: Subject) -> Iterator[Finding]:
    text = f"{'.'.join(map(str, sys.version_info[:3]))} at {sys.executable}"
    if is_optimized():
        yield Finding("Python", "ok", text)
    else:
        yield Finding("Python", "note", f"{text}, built without optimisations: the server takes a tenth more time")


def is_optimized() -> bool:
    """Tell whether this Python was compiled along a profile, as nearly all that are handed out are.

    pyenv's are not unless it is asked for. That of a distribution, below /usr, is and need not say so.
    """
    return "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "") or sys.base_prefix == "/usr"


def _sandbox(subject: Subject) -> Iterator[Finding]:
    """Skills are refused where the kernel can't confine them; all else works there."""
    from provenance.skills.sandbox.level import described, missing
    from provenance.skills.sandbox.probing import probe

    found = probe()
    if found.level is None:
        yield Finding("sandbox", "failed", "its servers do not start; the lines above say why")
        return
    text = described(found.level)
    if found.level.confined:
        yield Finding("sandbox", "ok", text)
    else:
        yield Finding("sandbox", "note", f"{text}: skills are refused, {missing(found.level)}")
    runtimes = ", ".join(f"{name} {version or 'is not here'}" for name, version in found.runtimes.items())
    yield Finding("runtimes", "ok" if all(found.runtimes.values()) else "note", runtimes)


def _programs(subject: Subject) -> Iterator[Finding]:
    found = binaries()
    yield Finding("PostgreSQL", "ok", f"{found.version()} in {found.root}")


def _run_as(subject: Subject) -> Iterator[Finding]:
    folder = subject.data_dir if subject.data_dir.exists() else Path("/tmp")  # noqa: S108  (probe file)
    found = choose(folder, binaries(), subject.root_mode, create=False)
    yield Finding("runs as", "ok", found.reason)


def _folder(subject: Subject) -> Iterator[Finding]:
    try:
        found = subject.data_dir.stat()
    except FileNotFoundError:
        yield Finding("data folder", "note", f"{subject.data_dir} will be made at the first start")
        return
    if not os.access(subject.data_dir, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("data folder", "failed", f"{subject.data_dir} belongs to user {found.st_uid}, not to us")
    elif found.st_mode & 0o022:
        mode = stat.S_IMODE(found.st_mode)
        yield Finding("data folder", "failed", f"others may write (mode {mode:04o}): chmod go-w {subject.data_dir}")
    else:
        yield Finding("data folder", "ok", str(subject.data_dir))


def _disk(subject: Subject) -> Iterator[Finding]:
    folder = next(path for path in (subject.data_dir, *subject.data_dir.absolute().parents) if path.exists())
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    text = f"{free / 1e9:,.1f} GB free" + ("" if free >= LOW_DISK else "; writes are refused under 256 MB")
    yield Finding("disk", "ok" if free >= LOW_DISK else "failed", text)


def _port(subject: Subject) -> Iterator[Finding]:
    if subject.holder:
        yield Finding("port", "ok", f"`provenance up` is running as process {subject.holder}")
        return
    plan = Plan(subject.data_dir, subject.host, subject.port, None, None, subject.root_mode, own_programs())
    objection = port_is_taken(plan)
    yield Finding("port", "failed" if objection else "ok", objection or f"{subject.host} port {subject.port} is free")


def _master_key(subject: Subject) -> Iterator[Finding]:
    import asyncio

    from provenance.core.holders import holders_of, wrapping
    from provenance.core.key_services import check
    from provenance.core.keyring import MASTER_KEY_FILE, MasterKey
    from provenance.core.settings import Settings

    settings, path = Settings(data_dir=subject.data_dir), subject.data_dir / MASTER_KEY_FILE
    holders = holders_of(settings)
    for holder in holders.values():
        asyncio.run(check(holder))
        yield Finding("master key", "ok", f"{holder.where} wraps and opens with {holder.id}")
    if wrapping(settings, holders) is not None:
        return
    if path.exists():
        MasterKey.load(path)
        yield Finding("master key", "ok", f"{path}; keep a copy outside this machine")
    elif subject.has_cluster:
        yield Finding("master key", "failed", f"{path} is missing: sealed content cannot be read without it")
    else:
        yield Finding("master key", "note", f"{path} will be made at the first start")


def _database(subject: Subject) -> Iterator[Finding]:
    if subject.database_url:
        yield from _schema(subject.database_url)
    elif not subject.has_cluster:
        yield Finding("database", "note", "will be made at the first start")
    else:
        try:
            with reach(subject.data_dir, subject.root_mode) as url:
                yield from _schema(url)
        except EmbeddedPostgresError as error:
            yield Finding("database", "failed", str(error))


def _schema(url: str) -> Iterator[Finding]:
    import asyncio

    from provenance.migrate import head

    version, revision = asyncio.run(_ask(url))
    major = version // 10_000
    yield Finding("database", "ok" if major >= 15 else "failed", f"PostgreSQL {major}.{version % 10_000} answers")
    if revision == head():
        yield Finding("migrations", "ok", f"at {revision}")
    else:
        where = f"at {revision}, this version needs {head()}" if revision else "not run yet"
        yield Finding("migrations", "failed", f"{where}: run `provenance migrate`")


async def _ask(url: str) -> tuple[int, str | None]:
    import asyncpg

    from provenance.core.db import asyncpg_dsn

    connection = await asyncpg.connect(asyncpg_dsn(url), timeout=10)
    try:
        version = int(await connection.fetchval("SELECT current_setting('server_version_num')"))
        made = await connection.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL")
        revision = await connection.fetchval("SELECT version_num FROM alembic_version") if made else None
    finally:
        await connection.close()
    return version, revision
