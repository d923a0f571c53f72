"""`provenance up` with stand-ins: `run_up.py DATA PORT [ROLE=TRICK...]`."""

import os
import sys
from pathlib import Path

from provenance.up.plan import Plan, Programs
from provenance.up.supervisor import Supervisor

STAND_IN = str(Path(__file__).with_name("stand_in.py"))


def main() -> int:
    data_dir, port, *tricks = sys.argv[1:]
    trick = dict(word.split("=") for word in tricks)
    programs = Programs(
        *((sys.executable, STAND_IN, role, *filter(None, [trick.get(role)])) for role in Programs._fields)
    )
    os.environ.update(PROVENANCE_DATA_DIR=data_dir, PROVENANCE_PORT=port)
    return Supervisor(Plan.from_environment()._replace(programs=programs)).run()


if __name__ == "__main__":
    sys.exit(main())
