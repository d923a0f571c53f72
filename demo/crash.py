"""Crash theatre (`make crash-demo`): a thousand runs go while everything that carries them is killed.

Workers and the server are killed, workers are stopped past their lease, connections are cut, the database is killed,
callers die between an effect and its answer. Ends with 1 if a run is lost, a record doubled or an effect repeated.
"""

import argparse
import asyncio
import json
import random
import sys
import time
import uuid
from collections.abc import Awaitable, Callable

from demo.crash_runs import EFFECTS, STEPS, Findings, People, definition, inspect, unfinished
from demo.crash_site import Site, site
from demo.crash_target import Target

RUNS = 1000
PATIENCE_SECONDS = 120.0


def main() -> None:
    """Play, count, and tell."""
    parser = argparse.ArgumentParser(prog="python -m demo.crash", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help=f"how many runs go ({RUNS})")
    parser.add_argument("--seed", type=int, default=1, help="of the order of accidents")
    arguments = parser.parse_args()
    print("Starting a database, a server and two workers …", flush=True)
    with site() as found:
        failed = asyncio.run(_play(found, arguments.runs, random.Random(arguments.seed)))
    sys.exit(1 if failed else 0)


async def _play(place: Site, count: int, odds: random.Random) -> bool:
    began = time.monotonic()
    target, people = Target(odds, place.kill_workers), People(place)
    await target.start()
    await people.sign_in()
    approving = asyncio.create_task(people.approve())
    try:
        starting = asyncio.create_task(people.start(await people.publish(definition(target)), count))
        await _accidents(place, target, odds, began)
        await starting
        await _settled(place, people.workspace_id, began)
    finally:
        approving.cancel()
        await asyncio.gather(approving, return_exceptions=True)
        await people.leave()
        await target.stop()
    found = await inspect(place.dsn, people.workspace_id, count)
    return _tell(place, target, people, found, count, time.monotonic() - began)


async def _accidents(place: Site, target: Target, odds: random.Random, began: float) -> None:
    """Let one accident follow the other, each kind at least twice, in an order of chance."""

    async def die_in_a_call() -> None:
        target.deaths += 1

    kinds: list[tuple[str, Callable[[], Awaitable[None]]]] = [
        ("a worker is killed", place.kill_worker),
        ("a worker is stopped past its lease and wakes up", place.stop_worker_for_a_while),
        ("the server is killed and starts again", place.kill_server),
        ("every connection to the database is cut", place.cut_connections),
        ("the database is killed and recovers", place.kill_database),
        ("both workers die between an effect and its answer", die_in_a_call),
    ]
    order = kinds * 2
    odds.shuffle(order)
    for name, happen in order:
        await asyncio.sleep(odds.uniform(0.5, 2.0))
        print(f"  {time.monotonic() - began:5.1f} s  {name}", flush=True)
        await happen()
        place.hire()


async def _settled(place: Site, workspace_id: uuid.UUID, began: float) -> None:
    """Wait until every run has ended, or none has for as long as patience lasts."""
    until, fewest = time.monotonic() + PATIENCE_SECONDS, sys.maxsize
    while left := await unfinished(place.dsn, workspace_id):
        if left < fewest:
            until, fewest = time.monotonic() + PATIENCE_SECONDS, left
        if time.monotonic() > until:
            print(f"  {time.monotonic() - began:5.1f} s  {left} runs have not ended; waiting no longer")
            return
        await asyncio.sleep(0.2)


def _tell(place: Site, target: Target, people: People, found: Findings, count: int, seconds: float) -> bool:
    repeated = {key: times for key, times in target.effects.items() if times > 1}
    undone = EFFECTS * count - len(target.effects)
    repeats = sum(target.calls.values()) - len(target.calls)
    print(f"\n{count} runs of {STEPS} recorded steps in {seconds:.0f} s; {people.unanswered} requests were sent again.")
    _line("runs lost", found.lost)
    _line("runs not completed, or with a wrong output", len(found.wrong))
    _line("records missing", found.missing)
    _line("records doubled", found.doubled)
    _line("gaps in the ledger's numbers", found.gaps)
    _line("effects that happened twice under their key", len(repeated))
    _line("effects that never happened", undone)
    print(f"{len(target.effects):>9,}  effects, one for each key; {repeats:,} calls came again under the key of one")
    for trouble, times in sorted(target.troubles.items()):
        print(f"{times:>9,}  calls that the target {trouble}")
    print(f"{people.approved:>9,}  approvals by a person")
    print(f"{found.resumed:>9,}  times a run went on after a wait or a lost worker")
    print(f"{_fenced(place):>9,}  checkpoints fenced: their run was another's by then")
    print(f"{found.late:>9,}  outcomes that came too late to count, on record")
    print(f"{found.rows:>9,}  ledger rows")
    for sentence in found.wrong[:10]:
        print(f"           → {sentence}")
    return bool(found.lost or found.wrong or found.missing or found.doubled or found.gaps or repeated or undone)


def _line(what: str, count: int) -> None:
    colour = ("\x1b[31m" if count else "\x1b[32m") if sys.stdout.isatty() else ""
    print(f"{colour}{count:>9,}{colour and chr(27) + '[0m'}  {what}")


def _fenced(place: Site) -> int:
    """Count what the workers say of checkpoints that were turned away."""
    fenced = 0
    for line in place.worker_log.read_text(errors="replace").splitlines():
        if '"run_fenced"' in line:
            fenced += json.loads(line)["event"] == "run_fenced"
    return fenced


if __name__ == "__main__":
    main()
