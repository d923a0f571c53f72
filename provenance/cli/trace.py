"""`provenance trace`: everything that belongs together with a resource or a unit of work."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provenance.cli.connection import ApiKey, ApiUrl, connected, settled
from provenance.cli.errors import Misused

if TYPE_CHECKING:
    from rich.tree import Tree


def register(app: typer.Typer) -> None:
    """Add `trace` to the command line."""
    app.command()(trace)


def trace(
    id: Annotated[str, typer.Argument(metavar="ID", help="A resource's id, or a unit of work's.")],
    tree: Annotated[bool, typer.Option("--tree", help="Nest the interactions by their parent spans.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the trace as the server gives it.")] = False,
    cursor: Annotated[
        str | None, typer.Option("--cursor", metavar="CURSOR", help="The part before the one shown last.")
    ] = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Show all that happened with a resource, and in every unit of work that touched it, oldest first.

    provenance trace user-123
    """
    if tree and as_json:
        raise Misused("--json holds the tree already; leave out --tree.")
    with connected(settled(api_url, api_key)) as client:
        found = client.traces.get(id, cursor=cursor)
    _show(found, tree=tree, as_json=as_json)
    if following := found.get("nextCursor"):
        from provenance.cli import terminal

        terminal.say(f"This is the newest part. The part before it: --cursor {following}")


def _show(found: Any, *, tree: bool, as_json: bool) -> None:
    from provenance.cli import table, terminal

    if as_json:
        terminal.print_json(found)
        return
    out = terminal.console()
    out.print(_headline(found), soft_wrap=True)
    if tree:
        out.print(_tree(found), soft_wrap=out.width >= terminal.UNBOUNDED)
    else:
        table.print_table(found["interactions"])


def _headline(found: Any) -> str:
    from provenance.cli.terminal import plain

    summary = found["summary"]
    kind = "Unit of work" if found["kind"] == "uow" else "Resource"
    interactions, resources = summary["totalInteractions"], summary["uniqueResources"]
    return (
        f"{kind} {plain(found['id'])}: {_count(interactions, 'interaction')} on "
        f"{_count(resources, 'resource')} in {_duration(summary.get('durationSeconds') or 0)}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _duration(seconds: float) -> str:
    """Return a length of time in its two largest units, as `2 d 3 h` or `1.5 s`."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    parts = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        whole, seconds = divmod(seconds, size)
        if whole:
            parts.append(f"{int(whole)} {unit}")
    return " ".join(parts[:2])


def _tree(found: Any) -> "Tree":
    from rich.tree import Tree

    from provenance.cli.terminal import plain

    top = Tree(plain(found["id"]), guide_style="dim")
    _grow(top, found["tree"])
    return top


def _grow(top: "Tree", roots: Sequence[Any]) -> None:
    """Hang the nodes below their parents.

    A loop, not a recursion, because spans may nest deeper than Python's stack.
    """
    waiting = [(top, node) for node in reversed(roots)]
    while waiting:
        parent, node = waiting.pop()
        branch = parent.add(_label(node))
        waiting += [(branch, child) for child in reversed(node.get("children") or [])]


def _label(node: Any) -> Any:
    """Return a node's line: the interaction, its time, and why it is a root although it names a parent."""
    from provenance.cli import terminal

    line = terminal.one_line(node)
    line.append(f"  {terminal.moment(node['createdDate'])}", "dim")
    if note := _note(node):
        line.append(f"  ({note})", "yellow")
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _note(node: Any) -> str | None:
    if node.get("parentMissing"):
        where = "is recorded elsewhere" if node.get("parentRecorded") else "is not recorded"
        return f"parent span {node.get('parentSpanId')} {where}"
    if node.get("parentCycle"):
        return "its spans name each other as parents"
    if node.get("continues"):
        return f"goes on below interaction {node['continues']}"
    return None
