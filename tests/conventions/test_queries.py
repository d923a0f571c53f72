"""Every statement narrows to one workspace: read from the code, function by function."""

import ast
from collections.abc import Iterator, Set
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy import FromClause

from provenance.features import load_tables

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "provenance"

WIDE = {
    "identity/queries.py:key_by_id": "a key names no workspace; it is found by its own id and tells its workspace",
    "ledger/log/queries.py:published": "outsiders name an origin; it tells whose log it is, and what they may see",
    "identity/queries.py:memberships_of": "a person's places, in whatever workspaces they are",
    "identity/members/queries.py:places_of": "a person is erased with every place they have",
    "identity/queries.py:end_memberships": "an erased person is erased everywhere",
    "ledger/log/queries.py:halted_or_not": "an operator reopens the logs of an installation after a restore",
    "ledger/self_audit/queries.py:count_incidents": "a figure of the installation's metrics",
    "ledger/self_audit/queries.py:signed_logs": "the worker goes through all workspaces",
    "realtime/queries.py:keys": "the keys behind the live connections of one process, whatever their workspaces",
    "realtime/queries.py:standings": "the people behind the live connections of one process, each in their workspace",
    "secrets/queries.py:workspaces_with_work": "the worker looks after all workspaces",
    "datastores/queries.py:with_old_objects": "the worker looks after all workspaces",
    "datastores/objects/queries.py:workspaces_with_garbage": "the worker looks after all workspaces",
    "datastores/uploads/queries.py:waiting": "the worker looks after all workspaces",
    "datastores/uploads/queries.py:workspaces_with_old": "the worker looks after all workspaces",
    "skills/queries.py:awaited_in_vain": "the worker looks after all workspaces",
    "skills/queries.py:workspaces_with_garbage": "the worker looks after all workspaces",
    "skills/queries.py:live_runtimes": "a worker is ready for the skills of all workspaces",
    "runs/outputs/queries.py:large": "the worker looks after all workspaces",
    "runs/outputs/queries.py:doubted": "the worker looks after all workspaces",
    "billing/queries.py:customers": "the worker looks after all workspaces",
    "approvals/queries.py:overdue": "the worker looks after all workspaces",
    "bus/keys/queries.py:key_by_id": "a key names no workspace; it is found by its own id and tells its workspace",
    "bus/inbound/queries.py:find_inbound": "who posts to an address names no workspace; the signature decides",
    "bus/inbound/queries.py:forget_old": "upkeep throws away what is over its time, of all workspaces",
    "bus/bridges/queries.py:forget_dead_letters": "upkeep throws away what is over its time, of all workspaces",
    "core/keyring.py:_ensure_complete": "asks which master keys wrapped anything, of the whole installation",
}
"""Functions that read over workspaces on purpose, and why."""

Function = ast.AsyncFunctionDef | ast.FunctionDef
BUILDERS = {"select", "insert", "update", "delete", "exists", "values", "text"}
load_tables()


def functions() -> Iterator[tuple[str, Function, set[str]]]:
    """Yield each function that builds a statement on a table of a workspace, with what else its module narrows by."""
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_text("utf-8")
        if ".tables import" not in source and path.name != "keyring.py":  # reading trees is slow, and most have none
            continue
        tree = ast.parse(source)
        tables = table_variables(path, tree)
        if not tables:
            continue
        inside = [node for node in ast.walk(tree) if isinstance(node, Function)]
        narrowing: set[str] = set()
        for _ in range(3):  # a function that calls a narrowing one narrows too
            narrowing |= {node.name for node in inside if narrows(node, narrowing)}
        for node in inside:
            names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
            if names & tables and names & BUILDERS:
                yield f"{path.relative_to(PACKAGE)}:{node.name}", node, narrowing


def table_variables(path: Path, tree: ast.Module) -> set[str]:
    """Return the variables of a module that hold tables of a workspace."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    if not any((node.module or "").endswith(".tables") for node in imports) and path.name != "keyring.py":
        return set()
    module = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    found = {name: value for name, value in vars(module).items() if isinstance(value, FromClause)}
    return {name for name, value in found.items() if "workspace_id" in value.c}


def narrows(node: ast.AST, narrowing: Set[str] = frozenset()) -> bool:
    """Tell whether a function brings a workspace's id into what it builds, itself or by a function that does."""
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute) and each.attr == "workspace_id" and not is_column(each):
            return True
        if isinstance(each, ast.Name) and each.id == "workspace_id":
            return True
        if isinstance(each, ast.keyword) and each.arg == "workspace_id":
            return True
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id in narrowing:
            return True
        if isinstance(each, ast.Call) and ast.unparse(each.func).endswith("c.workspace_id.in_"):
            return True
    return False


def is_column(node: ast.Attribute) -> bool:
    """Tell a column, or one read from a row, from the workspace of whoever asks."""
    column = isinstance(node.value, ast.Attribute) and node.value.attr == "c"
    return column or (isinstance(node.value, ast.Name) and node.value.id == "row")


CASES = [pytest.param(node, narrowing, id=name) for name, node, narrowing in functions() if name not in WIDE]


@pytest.mark.parametrize(("node", "narrowing"), CASES)
def test_a_function_that_builds_a_statement_narrows_to_a_workspace(node: Function, narrowing: set[str]) -> None:
    assert narrows(node, narrowing), ast.unparse(node)


def test_each_exception_is_still_needed() -> None:
    seen = {name for name, node, narrowing in functions() if not narrows(node, narrowing)}
    assert seen >= WIDE.keys()


def test_the_check_reads_something() -> None:
    assert len(CASES) > 20
    assert not narrows(ast.parse("select(interactions).where(interactions.c.number == 1)"))
    assert narrows(ast.parse("select(a).where(a.c.workspace_id == tx.workspace_id)"))
