"""`python -m provenance.up [serve|worker]`: the parent, or one of its children."""

from __future__ import annotations

import sys


def main(arguments: list[str]) -> int:
    """Run the parent, or the child that is named; return the exit status."""
    if not arguments:
        from provenance.up.plan import Plan
        from provenance.up.supervisor import Supervisor

        return Supervisor(Plan.from_environment()).run()
    from provenance.up import processes

    return processes.run_child(arguments[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
