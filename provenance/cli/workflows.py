"""`provenance workflows`: definitions as files: checked, pulled, pushed, compared, published."""

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provenance.cli.connection import ApiKey, ApiUrl, connected, settled
from provenance.cli.errors import Misused, Refused
from provenance.cli.people import AsJson, ask, at, everything, show

if TYPE_CHECKING:
    from provenance_client import Client

PATH = "/workflows"
COLUMNS = {
    "Workflow": "workflowId",
    "Name": "name",
    "Environment": "environment",
    "Status": "status",
    "Version": "version",
    "Changed (UTC)": "updatedAt",
}
TEMPLATES = {"Template": "templateId", "Name": "name", "Category": "category", "Description": "description"}
STEP = re.compile(r"steps\[(\d+)\]", re.ASCII)
SIGNS = {"added": "+", "removed": "-", "changed": "~", "same": " "}

Which = Annotated[str, typer.Argument(metavar="WORKFLOW", help="Its id (wf_…), or its name.")]
File = Annotated[str, typer.Argument(metavar="FILE", help="A definition in YAML or JSON; - reads stdin.")]
Environment = Annotated[
    str | None, typer.Option("-e", "--environment", metavar="SLUG", help="Where a name is looked for.")
]
Risk = Annotated[
    str | None,
    typer.Option("--require-gates", metavar="RISK", help="Insist: no effect of this risk without an approval."),
]
By = Annotated[
    str | None, typer.Option("--by", metavar="KIND:ID", help="Whose approval counts, such as group:finance.")
]

group = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group `workflows` to the command line."""
    app.add_typer(group, name="workflows", help="Workflows as files: validate, push, pull, diff, publish.")


@group.command("validate")
def validate(file: File, as_json: AsJson = False) -> None:
    """Check a definition and name every problem at its place. Needs no server; exit 1 when it can't be published."""
    from provenance.cli import terminal
    from provenance.workflows.compiling import check

    definition = _read(file)
    checked = check(definition)
    found = {"problems": checked.problems, "warnings": checked.warnings}
    told = {name: [_problem(each) for each in listed] for name, listed in found.items()}
    if as_json:
        terminal.print_json(told)
    else:
        _say_problems(told["problems"], told["warnings"], definition)
    if checked.problems:
        raise Refused(f"{len(checked.problems)} to mend; it can't be published like this")
    if not as_json:
        terminal.say("Nothing is wrong with it.")


@group.command("list")
def list_(as_json: AsJson = False, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """List the workspace's workflows, the latest changed first."""
    with connected(settled(api_url, api_key)) as client:
        show(everything(client, PATH), COLUMNS, as_json=as_json)


@group.command("templates")
def templates(as_json: AsJson = False, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """List the templates a workflow can begin with."""
    with connected(settled(api_url, api_key)) as client:
        show(everything(client, "/templates"), TEMPLATES, as_json=as_json)


@group.command("new")
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called.")],
    template: Annotated[
        str | None, typer.Option("-t", "--template", metavar="ID", help="What it begins with, from `templates`.")
    ] = None,
    variables: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A variable of the template; repeatable.")
    ] = None,
    environment: Annotated[
        str | None, typer.Option("-e", "--environment", metavar="SLUG", help="Where it lives.")
    ] = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Make a workflow, empty or from a template; prints its id. It goes live when it is published."""
    from provenance.cli import terminal

    sent = {"templateId": template, "variables": _variables(variables or []), "environment": environment}
    with connected(settled(api_url, api_key)) as client:
        made = ask(client, "POST", PATH, {"name": name, **{key: each for key, each in sent.items() if each}})
    if as_json:
        terminal.print_json(made)
    else:
        typer.echo(made["workflowId"])


def _variables(written: list[str]) -> dict[str, Any]:
    """Read ``name=value``: numbers, true and false as such, all else as text. Raises Misused."""
    found: dict[str, Any] = {}
    for each in written:
        name, sign, value = each.partition("=")
        if not sign or not name:
            raise Misused(f"--set {each}: NAME=VALUE was expected")
        try:
            read = json.loads(value)
        except ValueError:
            read = value
        found[name] = read if isinstance(read, bool | int | float) else value
    return found


@group.command("show")
def show_(workflow: Which, environment: Environment = None, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Print one workflow as JSON, with the definition of its live version."""
    from provenance.cli import terminal

    with connected(settled(api_url, api_key)) as client:
        terminal.print_json(ask(client, "GET", place_of(client, workflow, environment)))


@group.command("pull")
def pull(
    workflow: Which,
    file: Annotated[str | None, typer.Argument(metavar="FILE", help="Where to; left out: stdout, as YAML.")] = None,
    version: Annotated[
        int | None, typer.Option("--version", min=1, help="A published one instead of the draft.")
    ] = None,
    environment: Environment = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Write the draft of a workflow, or a published version, to a file: JSON for a .json, else YAML."""
    from provenance.cli import terminal

    with connected(settled(api_url, api_key)) as client:
        place = place_of(client, workflow, environment)
        if version is None:
            found = ask(client, "GET", f"{place}/draft")
        else:
            found = client.call("GET", place, params={"version": version}, at_root=True)
    text = _written(found["definition"], as_json=file is not None and file.endswith(".json"))
    if file is None:
        typer.echo(text, nl=False)
        return
    Path(file).write_text(text, "utf-8")
    terminal.say(f"{file}: {found.get('draftRevision')}. revision of the draft" if version is None else file)


@group.command("push")
def push(
    file: File,
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="Its id, or its name; a new name makes one.")],
    revision: Annotated[
        int | None, typer.Option("--revision", min=1, help="The draft it was made from; left out: whatever is there.")
    ] = None,
    as_json: AsJson = False,
    environment: Environment = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Make a file the draft of a workflow; problems are told and kept, the draft may be unfinished."""
    from provenance.cli import terminal

    definition = _read(file)
    with connected(settled(api_url, api_key)) as client:
        place = _found(client, workflow, environment) or _made(client, workflow, environment)
        based_on = revision or ask(client, "GET", f"{place}/draft")["draftRevision"]
        body = {"definition": definition, "draftRevision": based_on}
        saved = ask(client, "PUT", f"{place}/draft", body)
    if as_json:
        terminal.print_json(saved)
        return
    _say_problems(saved["problems"], saved["warnings"], definition)
    terminal.say(f"{place.removeprefix(PATH + '/')}: the draft is at revision {saved['draftRevision']}.")
    if saved["problems"]:
        terminal.say(f"{len(saved['problems'])} to mend before it can be published.")


@group.command("diff")
def diff(
    workflow: Which,
    against: Annotated[str, typer.Option("--against", metavar="VERSION", help="live, or a number.")] = "live",
    risk: Annotated[str, typer.Option("--risk", metavar="RISK", help="Effects of this risk need a gate.")] = "high",
    by: By = None,
    as_json: AsJson = False,
    environment: Environment = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Show what the draft may do that a version may not, and which effects no approval stands before."""
    from provenance.cli import terminal

    with connected(settled(api_url, api_key)) as client:
        params = {"against": against, "risk": risk, "by": by}
        place = f"{place_of(client, workflow, environment)}/draft/review"
        found: Any = client.call("GET", place, params=params, at_root=True)
    if as_json:
        terminal.print_json(found)
        return
    for line in review_lines(found):
        typer.echo(terminal.plain(line))


@group.command("publish")
def publish(
    workflow: Which,
    note: Annotated[str, typer.Option("-m", "--note", metavar="TEXT", help="What is new; kept with the version.")] = "",
    risk: Risk = None,
    by: By = None,
    as_json: AsJson = False,
    environment: Environment = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Make the draft an immutable version and let it go live."""
    from provenance.cli import terminal

    body: dict[str, Any] = {"note": note}
    if risk is not None:
        body["requireGates"] = {"risk": risk, "by": by}
    with connected(settled(api_url, api_key)) as client:
        made = ask(client, "POST", f"{place_of(client, workflow, environment)}/publish", body)
    if as_json:
        terminal.print_json(made)
        return
    terminal.say(f"{made['workflowId']}: version {made['version']} is live in {made['environment']}.")


def review_lines(review: dict[str, Any]) -> list[str]:
    """Write a review in lines: what changes in graph, powers and gates, and what keeps it from being published."""
    against = review["against"]
    lines = [f"Against version {against}:" if against else "Against nothing: no version is live."]
    for step in review["graph"]["steps"]:
        if step["change"] != "same":
            lines.append(f"{SIGNS[step['change']]} step {step['key']} ({step['kind']})")
    for edge in review["graph"]["edges"]:
        if edge["change"] != "same":
            lines.append(f"{SIGNS[edge['change']]} edge {edge['source']} → {edge['target']} on {edge['on']}")
    lines += [_power(power) for power in review["powers"] if power["change"] != "same" or _asks_no_more(power)]
    for gate in review["gates"]:
        if gate["change"] != "same" or gate["hollow"]:
            why = f": {gate['hollow']}" if gate["hollow"] else ""
            lines.append(f"{SIGNS[gate['change']]} gate {gate['step']} ({gate['risk']} risk){why}")
    lines += [f"! {each['path']}: {each['issue']}" for each in review["blocking"]]
    return lines if len(lines) > 1 else [*lines, "  nothing changes"]


def _asks_no_more(power: dict[str, Any]) -> bool:
    return bool(power["asked"]) and power["asks"] is False


def _power(power: dict[str, Any]) -> str:
    line = f"{SIGNS[power['change']]} may {power['verb']} {power['targetKind']} {power['target']}"
    line += f" ({', '.join(power['steps'])})"
    return f"{line}, and asks no approval for it any more" if _asks_no_more(power) else line


def _read(file: str) -> Any:
    """Read a definition. Raises Misused."""
    from provenance.core.yaml_text import BadYamlText, read

    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8-sig")
        found = read(text)
    except (OSError, UnicodeDecodeError, BadYamlText) as error:
        raise Misused(f"{file}: {error}") from None
    if not isinstance(found, dict):
        raise Misused(f"{file}: is no definition: an object was expected")
    return found


def _written(definition: Any, *, as_json: bool) -> str:
    from provenance.core.yaml_text import write

    return json.dumps(definition, ensure_ascii=False, indent=2) + "\n" if as_json else write(definition)


def _problem(problem: Any) -> dict[str, str]:
    return {"path": problem.path, "code": problem.code, "issue": problem.issue}


def _say_problems(problems: list[dict[str, str]], warnings: list[dict[str, str]], definition: Any) -> None:
    from provenance.cli import terminal

    for kind, listed in (("error", problems), ("warning", warnings)):
        for each in listed:
            where = each["path"] + _key_of(each["path"], definition)
            typer.echo(terminal.plain(f"{kind}: {where}: {each['issue']} [{each['code']}]"))


def _key_of(path: str, definition: Any) -> str:
    """Return the key of the step that a path leads into, in brackets."""
    found = STEP.match(path)
    steps = definition.get("steps") if found and isinstance(definition, dict) else None
    if not found or not isinstance(steps, list) or int(found[1]) >= len(steps):
        return ""
    step = steps[int(found[1])]
    return f" ({step['key']})" if isinstance(step, dict) and isinstance(step.get("key"), str) else ""


def place_of(client: "Client", workflow: str, environment: str | None) -> str:
    """Return the path of a workflow named by its id or its name. Raises Refused."""
    found = _found(client, workflow, environment)
    if found is None:
        raise Refused(f"No workflow is named {workflow}.")
    return found


def _found(client: "Client", workflow: str, environment: str | None) -> str | None:
    if workflow.startswith("wf_"):
        return at(PATH, workflow)
    named = [each for each in everything(client, PATH) if each["name"] == workflow]
    fitting = [each for each in named if environment in (None, each["environment"])]
    if len(fitting) > 1:
        places = ", ".join(each["environment"] for each in fitting)
        raise Refused(f"{workflow} is there in several environments ({places}). Say which with --environment.")
    return at(PATH, fitting[0]["workflowId"]) if fitting else None


def _made(client: "Client", name: str, environment: str | None) -> str:
    body = {"name": name} if environment is None else {"name": name, "environment": environment}
    return at(PATH, ask(client, "POST", PATH, body)["workflowId"])
