"""Write down what all migrations say to an empty database: ``python -m migrations.record``.

An empty database is given `fresh.sql` in one piece, which takes a fourth of the time that the migrations take: theirs
goes into finding out, step by step, what to say. A test holds the file to them.
"""

import tempfile
from pathlib import Path
from typing import Any

from provenance.migrate import FRESH, head, run_all
from provenance.postgres import EmbeddedPostgres

_BEGINS = "-- The schema at {head}: what the migrations say to an empty database. See record.py.\n"


def recorded(database_url: str) -> str:
    """Run every migration on an empty database; return what they said, as one script."""
    said: list[str] = []

    def hear(statement: str, parameters: Any) -> None:
        if not statement.startswith("SELECT"):  # they only look
            assert not parameters, f"a statement with parameters can't be part of a script: {statement}"
            said.append(statement.strip().removesuffix(";") + ";\n")

    run_all(database_url, hear)
    return _BEGINS.format(head=head()) + "".join(said)


def main() -> None:
    """Write `fresh.sql` anew."""
    with (
        tempfile.TemporaryDirectory(prefix="provenance-") as folder,
        EmbeddedPostgres(Path(folder), durable=False) as url,
    ):
        FRESH.write_text(recorded(url), "utf-8")


if __name__ == "__main__":
    main()
