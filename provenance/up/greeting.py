"""What the first minutes with Provenance look like: is it ready, and what to open or type."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from .plan import Plan

CREDENTIALS = "credentials.json"
LOW_DISK = 256 * 1024 * 1024


def is_ready(plan: Plan) -> bool:
    """Ask `/readyz` once, without an HTTP library."""
    try:
        with _connected(plan) as connection:
            connection.sendall(b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n")
            status_line = connection.makefile("rb").readline()
    except OSError:
        return False
    return status_line.split(b" ")[1:2] == [b"200"]


def _connected(plan: Plan) -> socket.socket:
    """Return a connection to our own server. Its certificate names the host that clients know, so it isn't judged."""
    connection = socket.create_connection((_reachable(plan.host), plan.port), timeout=2)
    if not plan.encrypted:
        return connection
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        return context.wrap_socket(connection)
    except OSError:
        connection.close()
        raise


def port_is_taken(plan: Plan) -> str | None:
    """Return why the server could not listen on the planned address, or None when it can."""
    family = socket.AF_INET6 if ":" in plan.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((plan.host, plan.port))
        except OSError as error:
            return f"cannot listen on {plan.host} port {plan.port}: {error.strerror or error}"
    return None


def greeting(plan: Plan, *, first: bool) -> str:
    """Return the block that is printed when the server answers; `first` shows the API key, once."""
    scheme = "https" if plan.encrypted else "http"
    url = plan.public_url or f"{scheme}://{_shown(plan.host)}:{plan.port}"
    key_file = plan.data_dir / CREDENTIALS
    lines = [f"Provenance answers at {url}", "", f"  Open      {url.rstrip('/')}/docs"]
    key = _api_key(key_file) if first else None
    if key:
        lines += [f"  API key   {key}", f"            (shown once; kept in {key_file}, for you alone)"]
        lines += [f"  Try       curl -H 'x-api-key: {key}' {url.rstrip('/')}/api/interactions"]
    elif key_file.exists():
        lines.append(f"  API key   in {key_file}")
    programs = str(Path(sys.executable).parent)
    if programs not in os.environ.get("PATH", "").split(os.pathsep):
        lines.append(f'  Commands  export PATH="{programs}:$PATH"')
    lines.append("  Stop      Ctrl-C")
    return "\n".join(["", *lines, ""])


def disk_warning(folder: Path) -> str | None:
    """Return a warning when the folder's disk is nearly full, or None."""
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    if free >= LOW_DISK:
        return None
    return (
        f"WARNING: only {free >> 20} MB are free for {folder}. "
        f"Under {LOW_DISK >> 20} MB writes are refused (503) before the database would stop. Free some space."
    )


def _api_key(path: Path) -> str | None:
    import json

    try:
        found = json.loads(path.read_text()).get("apiKey")
    except (OSError, ValueError):
        return None
    return found if isinstance(found, str) else None


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104  (compared only)


def _shown(host: str) -> str:
    if host in ("127.0.0.1", "::1", "0.0.0.0", "::", ""):  # noqa: S104  (compared only)
        return "localhost"
    return f"[{host}]" if ":" in host else host
