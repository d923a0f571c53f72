"""`python -m bench`: measure a real installation on this machine; `--help` lists what."""

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bench import access, bus, bus_kill, log, nats, reading, realtime, runs, skills, starting, writing
from bench.report import Report
from bench.stack import Stack, installation
from bench.writing import Options

_ON_A_STACK: dict[str, Callable[[Stack, Report, Options], None]] = {
    "rates": writing.rates,
    "worker": writing.worker,
    "mixed": writing.mixed,
    "workspaces": writing.workspaces,
    "snapshot": writing.snapshot,
    "reads": reading.reads,
    "log": log.log,
    "runs": runs.runs,
    "bus": bus.bus,
    "bus-nats": nats.bus_nats,
    "realtime": realtime.realtime,
}
SCENARIOS = (*_ON_A_STACK, "start", "auth", "skills")
QUICK = {"seconds": 2.5, "repeats": 3, "snapshot_seconds": 10.0}
FULL = {"seconds": 10.0, "repeats": 5, "snapshot_seconds": 300.0}


def main() -> None:
    """Run the chosen scenarios on one installation made for it."""
    arguments = _parser().parse_args()
    chosen = FULL if arguments.full else QUICK
    options = Options(
        clients=arguments.clients,
        seconds=arguments.seconds or chosen["seconds"],
        repeats=arguments.repeats or int(chosen["repeats"]),
        snapshot_seconds=arguments.snapshot_seconds or chosen["snapshot_seconds"],
        rows=arguments.rows,
    )
    scenarios = arguments.scenario or list(SCENARIOS)
    report = Report()
    if arguments.kill:
        bus_kill.kill(report, arguments.messages)
        report.finish(arguments.json)
        return
    with ExitStack() as exits:
        if set(scenarios) & set(_ON_A_STACK):
            stack = exits.enter_context(installation(arguments.servers))
            for name, measure in _ON_A_STACK.items():
                if name in scenarios:
                    measure(stack, report, options)
    if "start" in scenarios:
        starting.start(report)
    if "auth" in scenarios:
        access.auth(report)
    if "skills" in scenarios:
        skills.skills(report)
    report.finish(arguments.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure a real installation: durable PostgreSQL, a server process, a load generator.",
    )
    parser.add_argument(
        "scenario",
        nargs="*",
        choices=[*SCENARIOS, []],
        metavar="SCENARIO",
        help="which ones, of " + ", ".join(SCENARIOS) + "; none means all",
    )
    parser.add_argument("--clients", type=int, default=64, help="clients that post at the same time (64)")
    parser.add_argument("--servers", type=int, default=1, help="server processes on the one address (1)")
    parser.add_argument("--seconds", type=float, help="of one measurement (2.5, with --full 10)")
    parser.add_argument("--repeats", type=int, help="of a measurement, of which the median counts (3, with --full 5)")
    parser.add_argument("--snapshot-seconds", type=float, help="how old the snapshot gets (10, with --full 300)")
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows of the table that is read (2,000,000)")
    parser.add_argument(
        "--kill", action="store_true", help="with bus: kill everything twice, and show that nothing is lost"
    )
    parser.add_argument("--messages", type=int, default=100_000, help="messages that --kill publishes (100,000)")
    parser.add_argument("--full", action="store_true", help="longer measurements, a snapshot of five minutes")
    parser.add_argument("--json", type=Path, help="file to write the figures into")
    return parser


if __name__ == "__main__":
    main()
