"""`provenance runs`: start runs, see what they wait for, watch, cancel and replay them."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from provenance.cli.connection import ApiKey, ApiUrl, connected, settled
from provenance.cli.errors import Misused
from provenance.cli.people import AsJson, at, show

if TYPE_CHECKING:
    from provenance_client import Client

PATH = "/runs"
ENDED = frozenset({"completed", "failed", "cancelled", "timed_out"})
LOOK_SECONDS = 0.5
COLUMNS = {
    "Run": "runId",
    "Status": "status",
    "Workflow": "workflowId",
    "Version": "workflowVersion",
    "Started": "startedAt",
    "ms": "durationMs",
    "Waits for": "waitingFor",
}
STEPS = {
    "Step": "stepId",
    "Key": "stepKey",
    "Item": "iteration",
    "Status": "status",
    "Attempts": "attempt",
    "ms": "durationMs",
}

RunId = Annotated[str, typer.Argument(metavar="RUN_ID", help="Such as run_…, from `runs list`.")]
WorkflowId = Annotated[str, typer.Argument(metavar="WORKFLOW_ID", help="A deployed workflow, wf_….")]
Given = Annotated[str | None, typer.Option("--input", metavar="JSON|@FILE", help="What the run is given; @- is stdin.")]

group = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group `runs` to the command line."""
    app.add_typer(group, name="runs", help="Runs of workflows: start, list, show, output, watch, cancel, replay.")


@group.command("start")
def start(
    workflow_id: WorkflowId,
    given: Given = None,
    watch_it: Annotated[
        bool, typer.Option("--watch", "-w", help="Stay and show each step until the run ends.")
    ] = False,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Start a run of a deployed workflow. With --watch: exit 1 unless it completes."""
    with connected(settled(api_url, api_key)) as client:
        begun = ask(client, "POST", PATH, {"workflowId": workflow_id, "input": _read(given)})
        if watch_it:
            _watch(client, begun["runId"], as_json=as_json)
        else:
            _print(begun, f"{begun['runId']} is {begun['status']}.", as_json=as_json)


@group.command("list")
def list_(
    workflow: Annotated[str | None, typer.Option("--workflow", metavar="ID", help="Runs of this workflow.")] = None,
    status: Annotated[str | None, typer.Option("--status", metavar="STATUS", help="Such as running or failed.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="How many at most.")] = 50,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List runs, newest first, and what those that don't move wait for."""
    with connected(settled(api_url, api_key)) as client:
        found = list(_listed(client, limit, workflowId=workflow, status=status))
    show(found, COLUMNS, as_json=as_json)


@group.command("show")
def show_(run_id: RunId, as_json: AsJson = False, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Print a run and its steps."""
    from provenance.cli import terminal

    with connected(settled(api_url, api_key)) as client:
        run, steps = ask(client, "GET", at(PATH, run_id)), _steps(client, run_id)
    if as_json:
        terminal.print_json({**run, "steps": steps})
        return
    _tell(run)
    show(steps, STEPS, as_json=False)


@group.command("output")
def output(
    run_id: RunId,
    step_id: Annotated[str, typer.Argument(metavar="STEP_ID", help="Such as 0002_st_action, from `runs show`.")],
    item: Annotated[int, typer.Option("--item", min=0, help="Which item of its forEach; 0 is the step itself.")] = 0,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Print what a step gave, of any size, as JSON."""
    from provenance.cli import terminal

    with connected(settled(api_url, api_key)) as client:
        path = f"{at(PATH, run_id)}/steps/{quote(step_id, safe='')}/output"
        terminal.print_json(ask(client, "GET", path, iteration=item))


@group.command("watch")
def watch(run_id: RunId, as_json: AsJson = False, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Show each step as it ends, until the run ends; exit 1 unless it completes."""
    with connected(settled(api_url, api_key)) as client:
        _watch(client, run_id, as_json=as_json)


@group.command("cancel")
def cancel(
    run_id: RunId,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; it is recorded.")] = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """End a run now."""
    with connected(settled(api_url, api_key)) as client:
        ended = ask(client, "POST", f"{at(PATH, run_id)}/cancel", {"reason": reason} if reason else {})
    _print(ended, f"{run_id} is cancelled.", as_json=as_json)


@group.command("replay")
def replay(
    run_id: RunId,
    original: Annotated[bool, typer.Option("--original", help="Of its own version instead of the live one.")] = False,
    from_step: Annotated[
        str | None, typer.Option("--from", metavar="STEP_ID", help="Keep the outcomes of the steps before this one.")
    ] = None,
    given: Given = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Run it again as a new run, after a fix."""
    asked: dict[str, Any] = {"version": "original" if original else "live"}
    if from_step is not None:
        asked["fromStepId"] = from_step
    if given is not None:
        asked["input"] = _read(given)
    with connected(settled(api_url, api_key)) as client:
        begun = ask(client, "POST", f"{at(PATH, run_id)}/replay", asked)
    _print(begun, f"{begun['runId']} repeats {run_id} with version {begun['workflowVersion']}.", as_json=as_json)


def ask(client: "Client", method: str, path: str, body: Any = None, **params: Any) -> Any:
    """Call a route below the host's root."""
    wanted = {name: value for name, value in params.items() if value is not None}
    return client.call(method, path, params=wanted or None, json=body, at_root=True)


def _listed(client: "Client", limit: int, **filters: Any) -> Iterator[Any]:
    cursor, left = None, limit
    while left > 0:
        page = ask(client, "GET", PATH, limit=min(left, 200), cursor=cursor, **filters)
        yield from page["items"]
        left, cursor = left - len(page["items"]), page["nextCursor"]
        if cursor is None:
            return


def _steps(client: "Client", run_id: str) -> list[Any]:
    found, cursor = [], None
    while True:
        page = ask(client, "GET", f"{at(PATH, run_id)}/steps", limit=200, cursor=cursor)
        found += page["items"]
        cursor = page["nextCursor"]
        if cursor is None:
            return found


def _watch(client: "Client", run_id: str, *, as_json: bool) -> None:
    from provenance.cli import terminal

    told: set[tuple[str, int, str]] = set()
    waits = None
    while True:
        run = ask(client, "GET", at(PATH, run_id))
        for step in _steps(client, run_id):
            seen = (step["stepId"], step["iteration"], step["status"])
            if seen not in told and not as_json:
                told.add(seen)
                _tell_step(step)
        if run["status"] in ENDED:
            break
        if run["waitingFor"] not in (None, waits):
            waits = run["waitingFor"]
            terminal.say(waits)
        time.sleep(LOOK_SECONDS)
    if as_json:
        terminal.print_json(run)
    else:
        _tell(run)
    if run["status"] != "completed":
        raise typer.Exit(1)


def _tell_step(step: Any) -> None:
    from provenance.cli import terminal

    item = f"[{step['iteration']}]" if step["iteration"] else ""
    time_taken = "" if step["durationMs"] is None else f"  {step['durationMs']} ms"
    why = f"  {step['error']['code']}: {step['error']['message']}" if step["error"] else ""
    typer.echo(terminal.plain(f"{step['status']:>10}  {step['stepKey']}{item}{time_taken}{why}"))


def _tell(run: Any) -> None:
    from provenance.cli import terminal

    took = "" if run["durationMs"] is None else f" after {run['durationMs']} ms"
    typer.echo(f"{run['runId']}: {run['status']}{took}, unit of work {run['uowId']}")
    if run["waitingFor"]:
        typer.echo(terminal.plain(run["waitingFor"]))
    if run["error"]:
        typer.echo(terminal.plain(f"{run['error']['code']}: {run['error']['message']}"))
    if run["output"] is not None:
        terminal.print_json(run["output"])


def _print(answer: Any, sentence: str, *, as_json: bool) -> None:
    from provenance.cli import terminal

    if as_json:
        terminal.print_json(answer)
    else:
        typer.echo(terminal.plain(sentence))


def _read(given: str | None) -> Any:
    """Return what a run is given: JSON from the command line, a file or stdin. Raises Misused."""
    if given is None:
        return None
    try:
        text = given
        if given.startswith("@"):
            text = sys.stdin.read() if given == "@-" else Path(given[1:]).read_text("utf-8")
        return json.loads(text)
    except OSError as error:
        raise Misused(f"Cannot read {given[1:]}: {error.strerror}") from error
    except ValueError as error:
        raise Misused(f"--input is no JSON: {error}") from error
