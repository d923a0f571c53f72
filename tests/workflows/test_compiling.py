from copy import deepcopy
from typing import Any

import pytest

from provenance.workflows.compiling import check, compile_definition
from provenance.workflows.mapping import resolve
from provenance.workflows.plan import Ended, On, TriggerType, decompile
from provenance.workflows.problems import InvalidDefinition
from tests.workflows.examples import ORDER


def changed(**parts: Any) -> dict[str, Any]:
    return {**deepcopy(ORDER), **parts}


def with_step(number: int, **members: Any) -> dict[str, Any]:
    document = deepcopy(ORDER)
    document["steps"][number].update(members)
    return document


def with_edge(*edges: dict[str, Any]) -> dict[str, Any]:
    return changed(edges=[*ORDER["edges"], *edges])


def found(document: Any) -> set[tuple[str, str]]:
    return {(problem.path, problem.code) for problem in check(document).problems}


class TestCompile:
    def test_a_plan_has_what_an_interpreter_needs(self) -> None:
        plan = compile_definition(ORDER)
        assert plan.order == ("start", "over", "gate", "call", "store")
        assert plan.entry.type is TriggerType.MANUAL
        call = plan.step("call")
        assert (call.gates, call.effect, call.risk.word, call.on_unknown) == (("gate",), True, "high", "ask")
        assert (call.retry.max_attempts, call.retry.initial_seconds, call.seconds) == (3, 2.0, 60.0)
        assert [(edge.source, edge.on, edge.case) for edge in plan.incoming("call")] == [
            ("over", On.CASE, "small"),
            ("gate", On.SUCCESS, None),
        ]
        assert resolve(call.config, {"input": {"orderId": "A-1", "amount": 750.0}})["body"] == {"amount": 750}
        assert plan.step("over").conditions["cases[0].when"].holds({"input": {"amount": 750}})

    def test_a_decompiled_plan_compiles_to_an_equal_one(self) -> None:
        plan = compile_definition(ORDER)
        assert compile_definition(decompile(plan)) == plan

    def test_layout_changes_the_checksum_and_no_digest(self) -> None:
        moved = compile_definition(with_step(1, position={"x": 1, "y": 2}, name="Large?"))
        plan = compile_definition(ORDER)
        assert moved.checksum != plan.checksum
        assert [step.digest for step in moved.steps] == [step.digest for step in plan.steps]

    def test_edges_follow_outcomes(self) -> None:
        plan = compile_definition(ORDER)
        case, plain = plan.incoming("gate")[0], plan.incoming("over")[0]
        assert case.follows(Ended.SUCCEEDED, "large")
        assert not case.follows(Ended.SUCCEEDED, "small")
        assert not case.follows(Ended.SKIPPED)
        assert plain.follows(Ended.SUCCEEDED)
        assert not plain.follows(Ended.FAILED)

    def test_a_bad_document_raises_with_every_problem(self) -> None:
        with pytest.raises(InvalidDefinition) as caught:
            compile_definition(with_edge({"from": "store", "to": "over"}, {"from": "store", "to": "nowhere"}))
        codes = {problem.code for problem in caught.value.problems}
        assert {"cycle", "dangling"} <= codes


class TestProblems:
    def test_a_good_definition_has_none(self) -> None:
        assert check(ORDER).problems == []

    @pytest.mark.parametrize("document", [None, [], 1, "x", {}, {"steps": {}}, {"schemaVersion": 1, "steps": [[]]}])
    def test_what_is_no_definition_is_told_by_its_shape(self, document: Any) -> None:
        checked = check(document)
        assert checked.plan is None
        assert checked.problems

    def test_a_cycle_is_named_at_each_of_its_steps(self) -> None:
        problems = found(with_edge({"from": "store", "to": "over"}))
        assert {("steps[1]", "cycle"), ("steps[3]", "cycle"), ("steps[4]", "cycle")} <= problems
        assert not [each for each in problems if each[1] == "not_before"]

    def test_what_nothing_leads_to(self) -> None:
        document = changed(steps=[*ORDER["steps"], {"key": "lone", "kind": "wait", "config": {"seconds": 1}}])
        assert found(document) == {("steps[5]", "unreachable")}

    def test_edges_that_dangle(self) -> None:
        assert found(with_edge({"from": "store", "to": "no"}, {"from": "no", "to": "store"})) == {
            ("edges[5].to", "dangling"),
            ("edges[6].from", "dangling"),
        }

    @pytest.mark.parametrize(
        ("edge", "code"),
        [
            ({"from": "over", "to": "store", "on": "case:huge"}, "unknown_case"),
            ({"from": "call", "to": "store", "on": "rejected"}, "no_rejection"),
            ({"from": "call", "to": "store", "on": "sometimes"}, "shape"),
        ],
    )
    def test_what_an_edge_follows(self, edge: dict[str, str], code: str) -> None:
        assert ("edges[5].on", code) in found(with_edge(edge))

    def test_an_edge_into_a_trigger_and_one_twice(self) -> None:
        assert ("edges[5]", "duplicate_edge") in found(with_edge({"from": "call", "to": "store"}))
        assert ("edges[5].to", "into_trigger") in found(with_edge({"from": "call", "to": "start"}))

    def test_a_workflow_begins_somewhere(self) -> None:
        assert ("steps", "no_trigger") in found({"schemaVersion": 1, "steps": []})

    def test_keys_are_there_once_and_are_no_words_of_the_language(self) -> None:
        assert ("steps[1].key", "duplicate_key") in found(with_step(1, key="start"))
        assert ("steps[1].key", "reserved") in found(with_step(1, key="for"))
        assert ("steps[1].key", "shape") in found(with_step(1, key="a-b"))

    @pytest.mark.parametrize(
        ("config", "path", "code"),
        [
            ({"body": "{{ steps.store.output }}"}, ".body", "not_before"),
            ({"body": {"a": ["{{ steps.nope.output }}"]}}, ".body.a[0]", "unknown_name"),
            ({"body": "{{ steps.gate.result }}"}, ".body", "unknown_name"),
            ({"body": "{{ approval.over.payload }}"}, ".body", "unknown_name"),
            ({"body": "{{ secrets.key }}"}, ".body", "unknown_name"),
            ({"body": "{{ 1 + 'a' }}"}, ".body", "type_error"),
            ({"body": "{{ input. }}"}, ".body", "syntax_error"),
            ({"body": "a {{ input.x"}, ".body", "syntax_error"),
            ({"body": "{{ }}"}, ".body", "syntax_error"),
            ({"method": "GET"}, ".method", "shape"),
            ({"url": "ftp://x/"}, ".url", "bad_url"),
        ],
    )
    def test_configurations(self, config: dict[str, Any], path: str, code: str) -> None:
        document = with_step(3, config={"target": "http", "url": "http://127.0.0.1/"} | config)
        assert found(document) == {(f"steps[3].config{path}", code)}

    def test_conditions(self) -> None:
        switch = {"mode": "if", "cases": [{"name": "large", "when": "input.amount > 9.5"}], "default": "small"}
        assert found(with_step(1, config=switch)) == set()
        switch["cases"] = [{"name": "large", "when": "'a' + 'b'"}]
        assert found(with_step(1, config=switch)) == {("steps[1].config.cases[0].when", "not_a_condition")}
        document = changed(edges=[*ORDER["edges"][:4], {"from": "call", "to": "store", "when": "steps.store.output"}])
        assert found(document) == {("edges[4].when", "not_before")}

    def test_schemas(self) -> None:
        assert found(changed(inputSchema={"type": "nope"})) == {("inputSchema.type", "bad_schema")}
        assert found(changed(inputSchema={"$ref": "http://127.0.0.1:1/x"})) == {("inputSchema", "bad_schema")}

    def test_a_gate_that_branches_has_where_to(self) -> None:
        config = ORDER["steps"][2]["config"] | {"rejectBehaviour": "branch"}
        assert found(with_step(2, config=config)) == {("steps[2].config.rejectBehaviour", "missing")}

    def test_the_item_of_a_for_each(self) -> None:
        body = {"target": "http", "url": "http://127.0.0.1/", "body": "{{ item.amount }} {{ item_index }}"}
        assert found(with_step(3, config=body)) == {("steps[3].config.body", "unknown_name")}
        assert found(with_step(3, config=body, forEach={"items": "{{ [input] }}"})) == set()
        assert found(with_step(3, forEach={"items": [], "as": "input"})) == {("steps[3].forEach.as", "reserved")}

    def test_parts_that_are_right_are_checked_beside_those_that_are_not(self) -> None:
        document = with_step(0, kind="nope") | {"output": "{{ steps.none.output }}"}
        assert found(document) >= {("steps[0].kind", "shape"), ("output", "unknown_name")}
