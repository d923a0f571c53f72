"""Whatever the document: checking ends and names problems; what compiles decompiles to the same plan."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.workflows import graph
from provenance.workflows.compiling import check, compile_definition
from provenance.workflows.kinds import Risk
from provenance.workflows.plan import On, Plan, decompile
from provenance.workflows.problems import InvalidDefinition
from provenance.workflows.review.coverage import Rule, gates_of, reaches
from tests.workflows.examples import ORDER

KEYS = [f"s{n}" for n in range(8)]
CONFIGS: dict[str, list[dict[str, Any]]] = {
    "trigger": [{"type": "manual"}, {"type": "webhook"}],
    "logic": [
        {"mode": "transform", "transform": {"a": "{{ input.x }}", "b": "{{ steps.s1.output }}"}},
        {"mode": "if", "cases": [{"name": "yes", "when": "input.x > 1"}], "default": "no"},
    ],
    "approval": [{"title": "ok?", "risk": "high"}, {"title": "ok?", "risk": "low"}],
    "action": [
        {"target": "http", "url": "http://127.0.0.1/{{ input.x }}"},
        {"target": "bus", "topic": "orders/{{ input.x }}", "payload": {"a": "{{ steps.s1.output }}"}},
    ],
    "storage": [{"op": "write", "datastoreId": "d", "key": "k", "value": "{{ input }}"}],
    "wait": [{"seconds": 1}, {"seconds": "{{ steps.s0.output.seconds }}"}],
    "nope": [{}],
}
ONS = ["success", "success", "success", "error", "always", "rejected", "case:yes", "case:no", "case:maybe"]


@st.composite
def steps(draw: st.DrawFn, key: str) -> dict[str, Any]:
    kind = draw(st.sampled_from([each for each in CONFIGS if each != "nope"] * 6 + ["nope"]))
    step: dict[str, Any] = {"key": key, "kind": kind, "config": draw(st.sampled_from(CONFIGS[kind]))}
    if draw(st.integers(0, 5)) == 0:
        step["forEach"] = {"items": "{{ input.items }}"}
    if draw(st.integers(0, 5)) == 0:
        step["input"] = {"x": "{{ input.x }}"}
    return step


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=8, unique=draw(st.booleans())))
    listed = [{"key": "go", "kind": "trigger", "config": {"type": "manual"}}, *[draw(steps(key)) for key in keys]]
    names = [step["key"] for step in listed]
    forwards = draw(st.booleans())
    edges = []
    for number, target in enumerate(names[1:], start=1):
        for _ in range(draw(st.integers(1, 2))):
            source = names[draw(st.integers(0, number - 1 if forwards else len(names) - 1))]
            edges.append({"from": source, "to": target, "on": draw(st.sampled_from(ONS))})
    return {"schemaVersion": 1, "steps": listed, "edges": edges}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    for name, inner in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        found += places(inner, (*path, name))
    return found


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    head, *rest = path
    if isinstance(value, dict):
        return {name: replaced(inner, tuple(rest), by) if name == head else inner for name, inner in value.items()}
    return [replaced(inner, tuple(rest), by) if number == head else inner for number, inner in enumerate(value)]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents())
def test_random_graphs(document: dict[str, Any]) -> None:
    checked = check(document)
    assert (checked.plan is None) == bool(checked.problems)
    if checked.plan is not None:
        assert compile_definition(decompile(checked.plan)) == checked.plan
        _order_is_topological(checked.plan)
        _coverage_agrees_with_every_path(checked.plan)


def _order_is_topological(plan: Plan) -> None:
    place = {key: number for number, key in enumerate(plan.order)}
    assert len(place) == len(plan.steps)
    for edge in plan.edges:
        assert place[edge.source] < place[edge.target]
        assert edge.source in plan.step(edge.target).ancestors


def _coverage_agrees_with_every_path(plan: Plan) -> None:
    """The slow way: walk every path from every trigger, and see whether one passes no gate that asks."""
    gates = {gate.step for gate in gates_of(plan) if gate.hollow is None}
    escaped: set[str] = set()
    waiting = [(trigger.key, False) for trigger in plan.triggers]
    seen = set()
    while waiting:
        state = waiting.pop()
        if state in seen:
            continue
        seen.add(state)
        key, asked = state
        if not asked:
            escaped.add(key)
        waiting += [(e.target, asked or (key in gates and e.on is On.SUCCESS)) for e in plan.outgoing(key)]
    for reach in reaches(plan, Rule(Risk.LOW)):
        assert bool(reach.path) == (reach.step in escaped)
        for here, there in pairwise(reach.path):
            assert any(edge.target == there for edge in plan.outgoing(here))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_part_may_be_anything(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(places(ORDER)))
    document = replaced(ORDER, path, data.draw(json_values))
    checked = check(document)
    assert (checked.plan is None) == bool(checked.problems)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20))
def test_a_cycle_is_found_where_there_is_one(pairs: list[tuple[int, int]]) -> None:
    forward = graph.arcs(KEYS, [(KEYS[a], KEYS[b]) for a, b in pairs])
    found = graph.cycles(forward)
    assert bool(found) == (len(graph.ordered(forward)) < len(KEYS))
    assert set(found) == {node for node in KEYS if node in graph.reached(forward, forward[node])}
    for node, way in found.items():
        assert way[0] == node
        assert all(there in forward[here] for here, there in pairwise([*way, node]))
    before = graph.ancestors(forward)
    back = graph.reversed_arcs(forward)
    for node in KEYS:
        assert before[node] - {node} == graph.reached(back, back[node]) - {node}


def test_the_largest_definition_is_checked_in_time() -> None:
    keys = [f"s{n}" for n in range(199)]
    step = {"kind": "logic", "config": {"mode": "transform", "transform": {"a": "{{ steps.go.output }} {{ input.x }}"}}}
    document = {
        "schemaVersion": 1,
        "steps": [
            {"key": "go", "kind": "trigger", "config": {"type": "manual"}},
            *[{"key": key} | step for key in keys],
        ],
        "edges": [{"from": "go", "to": key} for key in keys] + [{"from": a, "to": b} for a, b in pairwise(keys)],
    }
    assert len(compile_definition(document).steps) == 200
    too_many = document | {"steps": [*document["steps"], {"key": "more"} | step]}  # type: ignore[misc]
    with pytest.raises(InvalidDefinition):
        compile_definition(too_many)
