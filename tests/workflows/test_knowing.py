"""What is checked against declared schemas, and what is only advised against."""

from typing import Any

import pytest

from provenance.workflows.compiling import check
from tests.runs.published import definition, transform

INPUT = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "amount": {"type": "number"},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"price": {"type": "number"}}}},
    },
}
GATE = {"key": "gate", "kind": "approval", "config": {"title": "Go on?", "risk": "low"}}


def http(key: str, **more: Any) -> dict[str, Any]:
    return {"key": key, "kind": "data", "config": {"source": "http", "url": "http://127.0.0.1/"}, **more}


def branch(key: str, *names: str, default: str | None = None) -> dict[str, Any]:
    cases = [{"name": name, "when": "input.amount > 1.0"} for name in names]
    config = {"mode": "switch", "cases": cases} | ({"default": default} if default else {})
    return {"key": key, "kind": "logic", "config": config}


def found(*steps: dict[str, Any], **more: Any) -> list[tuple[str, str]]:
    checked = check(definition(*steps, **{"inputSchema": INPUT, **more}))
    return [(each.path, each.code) for each in checked.problems]


def advised(*steps: dict[str, Any], **more: Any) -> list[tuple[str, str]]:
    checked = check(definition(*steps, **{"inputSchema": INPUT, **more}))
    assert not checked.problems
    return [(each.path, each.code) for each in checked.warnings]


def reads(expression: str, key: str = "reads", **more: Any) -> dict[str, Any]:
    return transform(key, {"v": "{{ " + expression + " }}"}, **more)


AT = "steps[{}].config.transform.v"


class TestTypes:
    @pytest.mark.parametrize(
        ("before", "expression", "code"),
        [
            (None, "input.amout", "unknown_property"),
            (None, "input.amount > 'a'", "type_error"),
            (None, "input.amount * 2", "type_error"),
            (None, "steps.start.output.amout", "unknown_property"),
            (None, "vars.limt", "unknown_property"),
            (None, "vars.limit + 'a'", "type_error"),
            (
                transform("before", {"sum": "{{ input.amount * 2.0 }}", "of": {"id": "{{ input.id }}"}}),
                "steps.before.output.sm",
                "unknown_property",
            ),
            (transform("before", {"sum": "{{ input.amount * 2.0 }}"}), "steps.before.output.sum + 1", "type_error"),
            (transform("before", {"sum": "a {{ input.id }}"}), "steps.before.output.sum + 1", "type_error"),
            (transform("before", "{{ input.lines }}"), "steps.before.output[0].prize", "unknown_property"),
            (transform("before", "{{ toJson(input) }}"), "steps.before.output.x", "type_error"),
            (http("before"), "steps.before.output.code", "unknown_property"),
            (http("before"), "steps.before.output.status == '200'", "type_error"),
            (http("before", forEach={"items": [1]}), "steps.before.output.status", "type_error"),
            (http("before", forEach={"items": [1]}), "steps.before.output[0].statu", "unknown_property"),
            (GATE | {"key": "before"}, "steps.before.output.by", "unknown_property"),
            ({"key": "before", "kind": "wait", "config": {"seconds": 1}}, "steps.before.output.at", "unknown_property"),
            (
                {"key": "before", "kind": "workflow", "config": {"workflowId": "wf_1", "wait": False}},
                "steps.before.output.status",
                "unknown_property",
            ),
        ],
    )
    def test_what_a_schema_or_a_kind_tells(self, before: dict[str, Any] | None, expression: str, code: str) -> None:
        steps = [step for step in (before, reads(expression)) if step is not None]
        assert found(*steps, vars={"limit": 5}) == [(AT.format(len(steps)), code)]

    def test_the_payload_of_a_gate(self) -> None:
        schema = {"type": "object", "properties": {"sum": {"type": "integer"}}}
        gate = {"key": "gate", "kind": "approval", "config": {"title": "t", "risk": "low", "payloadSchema": schema}}
        assert found(gate, reads("approval.gate.payload.sun")) == [(AT.format(2), "unknown_property")]
        assert found(gate, reads("steps.gate.output.payload.sum + 'a'")) == [(AT.format(2), "type_error")]
        assert found(gate, reads("approval.gate.payload.sum + 1")) == []

    def test_the_item_of_a_for_each(self) -> None:
        loops = {"items": "{{ input.lines }}", "as": "line"}
        assert found(reads("line.prize", forEach=loops)) == [(AT.format(1), "unknown_property")]
        assert found(reads("line.price * 2.0", forEach=loops)) == []

    def test_conditions_edges_and_the_output(self) -> None:
        document = definition(
            branch("choose", "large", default="small"),
            reads("1"),
            edges=[
                ("start", "choose"),
                {"from": "choose", "to": "reads", "on": "case:large", "when": "input.sum > 1.0"},
            ],
            inputSchema=INPUT,
            output={"a": ["{{ steps.choose.output }}", "{{ input.sum }}"]},
        )
        assert [(each.path, each.code) for each in check(document).problems] == [
            ("edges[1].when", "unknown_property"),
            ("output.a[1]", "unknown_property"),
        ]

    def test_triggers_that_take_different_input(self) -> None:
        other = {
            "key": "by_hand",
            "kind": "trigger",
            "config": {"type": "api", "inputSchema": {"type": "object", "properties": {"name": {"type": "string"}}}},
        }
        edges = [("start", "reads"), ("by_hand", "reads")]
        assert found(other, reads("input.name + input.id"), edges=edges) == []
        assert found(other, reads("input.nme"), edges=edges) == [(AT.format(2), "unknown_property")]
        assert found(other, reads("steps.by_hand.output.id"), edges=edges) == [(AT.format(2), "unknown_property")]

    def test_without_a_schema_nothing_is_known(self) -> None:
        assert check(definition(reads("input.whatever.deep"))).problems == []

    def test_a_bad_schema_is_named_and_nothing_else(self) -> None:
        assert found(reads("input.x"), inputSchema={"properties": 3}) == [("inputSchema.properties", "bad_schema")]

    @pytest.mark.parametrize("steps", [[{"key": "a", "kind": "nope"}], [{"key": "a", "kind": "logic", "config": 3}]])
    def test_a_draft_that_is_far_from_done(self, steps: list[Any]) -> None:
        assert check({"schemaVersion": 1, "steps": steps, "vars": 3, "edges": [{"from": "a", "to": "a"}]}).problems


class TestScope:
    """Only what lies before is declared."""

    def test_neither_a_sibling_nor_a_later_step_nor_itself(self) -> None:
        for key in ("sibling", "after", "reads"):
            steps = [reads(f"steps.{key}.output"), transform("sibling", 1), transform("after", 1)]
            edges = [("start", "reads"), ("start", "sibling"), ("reads", "after")]
            assert found(*steps, edges=edges) == [(AT.format(1), "not_before")]

    def test_one_that_lies_before_over_any_way(self) -> None:
        steps = [transform("a", 1), transform("b", 1), reads("steps.a.output + steps.b.status.size()")]
        assert found(*steps) == []

    def test_no_secrets(self) -> None:
        assert found(reads("secrets.key")) == [(AT.format(1), "unknown_name")]


class TestUntyped:
    def test_arithmetic_over_what_nobody_declared(self) -> None:
        path = (AT.format(1), "untyped")
        assert advised(reads("input.n + 1"), inputSchema={}) == [path]
        assert advised(reads("double(input.n) + 1.0"), inputSchema={}) == []
        assert advised(reads("input.amount + 1.0")) == []
        assert advised(reads("size(input.lines) + 1")) == []

    def test_on_an_edge_and_in_the_output(self) -> None:
        edges = [{"from": "start", "to": "reads", "when": "input.n * 2 > 3"}]
        assert advised(reads("1"), edges=edges, output="{{ input.n - 1 }}", inputSchema={}) == [
            ("edges[0].when", "untyped"),
            ("output", "untyped"),
        ]


class TestSkipped:
    """Reading a member of an output that is null when its step was skipped."""

    def test_in_the_output(self) -> None:
        steps = [branch("choose", "large", default="small"), http("call")]
        edges = [("start", "choose"), {"from": "choose", "to": "call", "on": "case:large"}]
        output = {"plain": "{{ steps.call.output.status }}", "whole": "{{ steps.call.output }}"}
        assert advised(*steps, edges=edges, output=output) == [("output.plain", "maybe_skipped")]
        for fine in (
            "steps.call.output.?status.orValue(0)",
            "has(steps.call.output.status) ? steps.call.output.status : 0",
            "steps.call.status == 'skipped' ? 0 : steps.call.output.status",
        ):
            assert advised(*steps, edges=edges, output="{{ " + fine + " }}") == []

    @pytest.mark.parametrize(
        ("edges", "more", "warned"),
        [
            ([("start", "call"), ("call", "reads")], {}, False),
            ([("start", "call"), {"from": "call", "to": "reads", "on": "error"}, ("start", "reads")], {}, True),
            ([("start", "call"), {"from": "call", "to": "reads", "on": "always"}], {"onError": "continue"}, True),
            (
                [{"from": "start", "to": "call", "when": "input.amount > 1.0"}, ("start", "reads"), ("call", "reads")],
                {},
                True,
            ),
            ([{"from": "start", "to": "call", "when": "input.amount > 1.0"}, ("call", "reads")], {}, False),
        ],
    )
    def test_in_a_step(self, edges: list[Any], more: dict[str, Any], warned: bool) -> None:
        steps = [http("call", **more), reads("steps.call.output.status")]
        assert advised(*steps, edges=edges) == ([(AT.format(2), "maybe_skipped")] if warned else [])

    @pytest.mark.parametrize(("default", "warned"), [("small", False), (None, True)])
    def test_what_every_case_leads_to_is_certain(self, default: str | None, warned: bool) -> None:
        steps = [
            branch("choose", "large", default=default),
            http("one"),
            http("two"),
            http("both"),
            transform("end", 1),
        ]
        edges: list[Any] = [("start", "choose"), ("one", "both"), ("two", "both"), ("both", "end")]
        edges += [{"from": "choose", "to": "one", "on": "case:large"}]
        if default:
            edges += [{"from": "choose", "to": "two", "on": "case:small"}]
        else:
            edges += [{"from": "choose", "to": "two", "when": "input.amount < 1.0"}]
        output = "{{ steps.both.output.status }}"
        assert advised(*steps, edges=edges, output=output) == ([("output", "maybe_skipped")] if warned else [])

    def test_beside_another_of_the_same_case(self) -> None:
        steps = [
            branch("choose", "large", default="small"),
            http("one"),
            http("two"),
            reads("steps.one.output.status + steps.two.output.status"),
        ]
        edges = [("start", "choose"), ("one", "reads"), ("two", "reads")]
        edges += [{"from": "choose", "to": key, "on": "case:large"} for key in ("one", "two")]  # type: ignore[misc]
        assert advised(*steps, edges=edges) == []

    def test_one_of_two_triggers(self) -> None:
        other = {"key": "other", "kind": "trigger", "config": {"type": "api"}}
        steps = [other, http("one"), reads("steps.one.output.status")]
        assert advised(*steps, edges=[("start", "one"), ("other", "one"), ("one", "reads")]) == []
        assert advised(*steps, edges=[("start", "one"), ("one", "reads"), ("other", "reads")]) == [
            (AT.format(3), "maybe_skipped")
        ]

    def test_a_gate_that_may_be_skipped(self) -> None:
        steps = [branch("choose", "large", default="small"), GATE, reads("approval.gate.payload.sum")]
        edges = [("start", "choose"), {"from": "choose", "to": "gate", "on": "case:large"}]
        edges += [{"from": "choose", "to": "reads", "on": "case:small"}, ("gate", "reads")]
        assert advised(*steps, edges=edges) == [(AT.format(3), "maybe_skipped")]


class TestBeforeApproval:
    """`input.x` behind an approval that lets people change it."""

    @pytest.mark.parametrize(
        ("payload", "expression", "warned"),
        [
            ({}, "input.amount", True),
            ({"payload": {"sum": "{{ input.amount }}"}}, "input.amount", True),
            ({"payload": {"sum": "{{ input.amount }}"}}, "input", True),
            ({"payload": "{{ input }}"}, "input.amount", True),
            ({"payload": {"sum": "{{ input.amount }}"}}, "input.id", False),
            ({"payload": {"sum": 3}}, "input.id", False),
            ({"payload": {"sum": "{{ input.amount }}"}}, "approval.gate.payload.?sum.orValue(input.amount)", False),
        ],
    )
    def test_gets_the_original(self, payload: dict[str, Any], expression: str, warned: bool) -> None:
        gate = GATE | {"config": {"title": "Go on?", "risk": "low", **payload}}
        expected = [(AT.format(2), "before_approval")] if warned else []
        assert advised(gate, reads(expression)) == expected

    def test_before_the_gate_it_is_what_it_is(self) -> None:
        assert advised(reads("input.amount"), GATE) == []

    def test_what_the_gate_is_given_counts(self) -> None:
        assert advised(GATE | {"input": {"sum": "{{ input.amount }}"}}, reads("input.id")) == []
        assert advised(GATE | {"input": {"sum": "{{ input.amount }}"}}, reads("input.amount")) != []
