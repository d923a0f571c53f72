"""Mappings: where expressions end, how values are written, types that are kept."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.expressions import Evaluator, Expression, ExpressionError, InvalidExpression, Type, compile_expression
from provenance.workflows.mapping import (
    Exactly,
    Literal,
    Text,
    all_bounded,
    compile_mapping,
    constants,
    resolve,
    resolve_anywhere,
    split,
)

SCOPE = {"input": {"a": [1, None], "n": 750.0, "name": "Ada"}, "vars": {"base": "http://x"}}


def compiled(source: str) -> Expression:
    return compile_expression(source, {"input": Type.ANY, "vars": Type.MAP})


def value(mapping: Any) -> Any:
    node, wrong = compile_mapping(mapping, compiled)
    assert wrong == []
    assert node.source() == mapping
    return resolve(node, SCOPE)


class TestValue:
    @pytest.mark.parametrize(
        ("mapping", "expected"),
        [
            ("plain", "plain"),
            ("{{ input.a }}", [1, None]),
            ("  {{input.n}}\n", 750),
            ("n: {{ input.n }}!", "n: 750!"),
            ("{{ '{{' }}", "{{"),
            ("{{ '}}' }} {{ \"}}\" }}", "}} }}"),
            ("{{ {'a': {'b': 1}} }}", {"a": {"b": 1}}),
            ("{{ {'a': {'b': 1}}}}", {"a": {"b": 1}}),
            ("{{ input.a }}{{ null }}{{ true }}", "[1,null]true"),
            ("{{ 0.1 }} {{ 1e12 }} {{ 1e-7 }} {{ -0.5 }}", "0.1 1000000000000 0.0000001 -0.5"),
            ({"a": ["{{ input.name }}", 1]}, {"a": ["Ada", 1]}),
            ("{{ 1 // }} a comment\n}}", 1),
            ("{{ timestamp('2026-01-01T00:00:00Z') }}.", "2026-01-01T00:00:00Z."),
            ("} }} {", "} }} {"),
        ],
    )  # fmt: skip
    def test_of(self, mapping: Any, expected: Any) -> None:
        assert value(mapping) == expected

    @pytest.mark.parametrize("mapping", ["{{", "a {{ input.a", "{{ }}", "{{ 'a }}", "{{ (1 }}", "{{ input.a }} {{"])
    def test_what_is_not_closed_is_told(self, mapping: str) -> None:
        _, wrong = compile_mapping({"a": [mapping]}, compiled)
        assert [(each.path, each.error.code) for each in wrong] == [(".a[0]", "syntax_error")]

    def test_a_text_is_bounded(self) -> None:
        node, _ = compile_mapping("{{ input.t }}" * 3, compiled)
        with pytest.raises(ExpressionError, match="larger"):
            resolve(node, {"input": {"t": "x" * 500_000}})

    @given(st.text(max_size=40) | st.text("{}'\" \\r/ab", max_size=30))
    def test_no_text_breaks_the_scan(self, text: str) -> None:
        try:
            parts = split(text)
        except InvalidExpression:
            return
        if all(not is_expression for is_expression, _ in parts):
            assert "".join(part for _, part in parts) == text

    @given(st.text(st.characters(exclude_characters="\x00{", exclude_categories=["Cs"]), max_size=30))
    def test_a_text_without_braces_is_itself(self, text: str) -> None:
        assert compile_mapping(text, compiled) == (Literal(text), [])


class TestNodes:
    def test_kinds(self) -> None:
        assert isinstance(compile_mapping(" {{ input }} ", compiled)[0], Exactly)
        assert isinstance(compile_mapping("a {{ input }}", compiled)[0], Text)
        assert compile_mapping({"a": [1, {"b": None}]}, compiled)[0] == Literal({"a": [1, {"b": None}]})

    def test_constants_are_filled_in_the_rest_stays(self) -> None:
        node, _ = compile_mapping({"a": "{{ vars.base }}/x", "b": "{{ vars.base }}/{{ input.n }}", "c": 1}, compiled)
        assert constants(node, {"vars": {"base": "http://x"}}) == {
            "a": "http://x/x", "b": "http://x/{{ input.n }}", "c": 1,
        }  # fmt: skip

    async def test_loops_are_evaluated_elsewhere(self) -> None:
        node, _ = compile_mapping(["{{ input.a.map(i, [i]) }}", "{{ input.n }}"], compiled)
        assert not all_bounded([node])
        evaluator = Evaluator(1)
        assert await resolve_anywhere(node, SCOPE, evaluator) == [[[1], [None]], 750]
        await evaluator.close()
