"""An address as the environment of a libpq program, so that no password shows in a list of processes."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlsplit

from .run_as import program_environment

_VARIABLES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "database": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "ssl": "PGSSLMODE",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslrootcert": "PGSSLROOTCERT",
    "passfile": "PGPASSFILE",
    "service": "PGSERVICE",
}


def client_environment(url: str) -> dict[str, str]:
    """Return the environment in which `psql`, `pg_dump` and `pg_restore` use this database.

    `url` is a PostgreSQL address, with or without a driver's name in its scheme.
    """
    parts = urlsplit(url)
    # With several hosts, or none, the network part is not what urlsplit expects: take it apart by hand.
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    pairs = [entry.rpartition(":") if ":" in _behind_bracket(entry) else (entry, "", "") for entry in hosts.split(",")]
    given = {
        "host": ",".join(host.strip("[]") for host, _, _ in pairs),
        "port": ",".join(port for _, _, port in pairs),
        "user": user,
        "password": password,
        "dbname": parts.path.removeprefix("/"),
    }
    found = {_VARIABLES[name]: unquote(value) for name, value in given.items() if value.strip(",")}
    found |= {_VARIABLES[name]: value for name, value in parse_qsl(parts.query) if name in _VARIABLES}
    return program_environment() | found


def _behind_bracket(host: str) -> str:
    return host.rpartition("]")[2]
