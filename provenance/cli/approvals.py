"""`provenance approvals`: see what people are asked by runs, and decide. Deciding needs somebody who is signed in."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provenance.cli.connection import ApiKey, ApiUrl, connected, settled
from provenance.cli.errors import Misused
from provenance.cli.people import AsJson, show, signed_in

if TYPE_CHECKING:
    from provenance_client import Client

COLUMNS = {
    "Approval": "approvalId",
    "Status": "status",
    "Risk": "risk",
    "Title": "title",
    "Workflow": "workflowName",
    "Run": "runId",
    "Due": "dueAt",
}
FACTS = {"Fact": "label", "Value": "value"}
CHANGES = {"Changed": "path", "From": "before", "To": "after"}
DECISIONS = {"Decision": "decision", "By": "by", "At": "at", "Void": "void", "Comment": "comment"}

ApprovalId = Annotated[str, typer.Argument(metavar="APPROVAL_ID", help="Such as appr_…, from `approvals list`.")]
Revision = Annotated[
    int | None,
    typer.Option("--revision", min=1, help="The payload's revision that you read; refused if it changed since."),
]

group = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group `approvals` to the command line."""
    app.add_typer(group, name="approvals", help="What people are asked by runs: list, show, approve, reject.")


@group.command("list")
def list_(
    mine: Annotated[bool, typer.Option("--mine", help="Assigned to you; needs a sign-in.")] = False,
    status: Annotated[str, typer.Option("--status", metavar="STATUS", help="Or `any`.")] = "pending",
    risk: Annotated[str | None, typer.Option("--risk", metavar="RISK", help="low, medium, high or critical.")] = None,
    workflow: Annotated[str | None, typer.Option("--workflow", metavar="ID", help="Of this workflow.")] = None,
    run: Annotated[str | None, typer.Option("--run", metavar="ID", help="Of this run.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="How many at most.")] = 50,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List what waits for people, newest first."""
    asked: dict[str, Any] = {"risk": risk, "workflow_id": workflow, "run_id": run}
    asked |= {"status": None if status == "any" else status, "assignee": "me" if mine else None}
    with signed_in(api_url) if mine else connected(settled(api_url, api_key)) as client:
        found = _listed(client, limit, asked)
    show(found, COLUMNS, as_json=as_json)


def _listed(client: "Client", limit: int, asked: dict[str, Any]) -> list[Any]:
    found: list[Any] = []
    cursor = None
    while len(found) < limit:
        page = client.approvals.list(**asked, limit=min(limit - len(found), 200), cursor=cursor)
        found += page["items"]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    return found


@group.command("show")
def show_(approval_id: ApprovalId, as_json: AsJson = False, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Print what is asked, with its payload and evidence, and what a decision would sign."""
    from provenance.cli import terminal

    with connected(settled(api_url, api_key)) as client:
        found = client.approvals.get(approval_id)
    if as_json:
        terminal.print_json(found)
        return
    _tell(found)
    terminal.print_json(found["payload"])
    changes = [{"before": None, "after": None, **each} for each in found["payloadDiff"]]
    for rows, columns in ((found["evidence"], FACTS), (changes, CHANGES), (found["decisions"], DECISIONS)):
        if rows:
            show(rows, columns, as_json=False)
    for each in found["comments"]:
        typer.echo(terminal.plain(f"{each['createdAt']} {each['author']}: {each['text']}"))


def _tell(found: Any) -> None:
    from provenance.cli import terminal

    asked = ", ".join(f"{each['kind']} {each['id']}" for each in found["assignees"])
    lines = [
        f"{found['title']} ({found['risk']} risk): {found['status']}",
        found["action"],
        found["summary"],
        f"Workflow {found['workflowName'] or found['workflowId']}, run {found['runId']}, step {found['stepKey']}",
        f"Asks {asked}; {found['requiredApprovals']} must approve; due {found['dueAt']}",
        f"Statement {found['digest']}, payload revision {found['payloadRevision']}",
    ]
    for line in lines:
        if line:
            typer.echo(terminal.plain(line))


@group.command("approve")
def approve(
    approval_id: ApprovalId,
    comment: Annotated[str | None, typer.Option("--comment", "-m", metavar="TEXT", help="What to say to it.")] = None,
    payload: Annotated[str | None, typer.Option("--payload", metavar="JSON", help="Approve this one instead.")] = None,
    revision: Revision = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Approve, as who is signed in."""
    more = {} if payload is None else {"payload": _json(payload)}
    with signed_in(api_url) as client:
        done = client.approvals.approve(approval_id, comment=comment, payload_revision=revision, **more)
    waits = f"{approval_id} is {done['status']}."
    _print(done, waits if done["status"] == "approved" else f"{waits} Others have to approve, too.", as_json=as_json)


@group.command("reject")
def reject(
    approval_id: ApprovalId,
    comment: Annotated[str, typer.Option("--comment", "-m", metavar="TEXT", help="Why.", prompt="Why")],
    revision: Revision = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Reject, as who is signed in."""
    with signed_in(api_url) as client:
        done = client.approvals.reject(approval_id, comment=comment, payload_revision=revision)
    _print(done, f"{approval_id} is rejected.", as_json=as_json)


def _json(text: str) -> Any:
    """Read a payload. Raises Misused."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise Misused(f"--payload is no JSON: {error}") from error


def _print(answer: Any, sentence: str, *, as_json: bool) -> None:
    from provenance.cli import terminal

    if as_json:
        terminal.print_json(answer)
    else:
        typer.echo(terminal.plain(sentence))
