"""How much confinement this machine gives, in words: for `provenance doctor`, the log and refusals."""

from provenance.skills.sandbox.inside.jail import Level

__all__ = ["Level", "described", "missing"]


def described(level: Level) -> str:
    """Return the level in one line: its name, and what it is made of."""
    parts = [f"Landlock {level.landlock}" if level.landlock else "no Landlock"]
    parts.append("seccomp" if level.seccomp else "no seccomp")
    parts.append("own root folder" if level.mounts else "no root folder of its own")
    parts.append("own network" if level.network else "the host's network, without sockets")
    if level.own_user:
        parts.append("a user for each call")
    return f"{name(level)} ({', '.join(parts)})"


def name(level: Level) -> str:
    """Return ``full``, ``files`` (without a root folder of its own: private folders are bounded less) or ``none``."""
    if not level.confined:
        return "none"
    return "full" if level.mounts and level.network else "files"


def missing(level: Level) -> str:
    """Say why code of others does not run here, and what would change that."""
    if not level.landlock:
        return "the kernel has no Landlock (Linux 5.13 or newer, with landlock in its list of security modules)"
    if not level.seccomp:
        return "the kernel filters no system calls (seccomp), or this is neither x86-64 nor 64-bit ARM"
    return "as root it needs mounts of its own: run it as another user, or allow CAP_SYS_ADMIN or user namespaces"
