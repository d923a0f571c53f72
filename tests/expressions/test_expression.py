"""Expressions that give values: JSON out, nulls unharmed, sizes bounded, processes that can be stopped."""

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.expressions import Evaluator, ExpressionError, InvalidExpression, Type, compile_expression

VARIABLES = {"x": Type.ANY, "at": Type.TIMESTAMP, "steps.a.output": Type.ANY, "steps.b.status": Type.STRING}
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8)
numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-(2.0**53) + 1, 2.0**53 - 1)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=20,
)


def value(source: str, **values: Any) -> Any:
    return compile_expression(source, VARIABLES).value(values)


def fails(source: str, **values: Any) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        value(source, **values)
    return caught.value


class TestValue:
    @given(json_values)
    def test_json_goes_through_unchanged(self, given: Any) -> None:
        assert value("x", x=given) == given
        assert value("{'a': [x]}", x=given) == {"a": [given]}

    def test_reading_nulls_takes_nothing_from_the_interpreter(self) -> None:
        before = sys.getrefcount(None)
        given = {"a": [None] * 10, "b": {"c": None}}
        for _ in range(500):
            assert value("[x, null]", x=given) == [given, None]
        assert abs(sys.getrefcount(None) - before) < 400

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("at", "2026-03-01T12:00:00Z"),
            ("at - at + duration('90s')", "90s"),
            ("duration('1.5s')", "1.5s"),
            ("b'ab'", "YWI="),
            ("x.?none.orValue(1u)", 1),
            ("optional.of(x.a)", None),
        ],
    )
    def test_other_kinds_become_texts(self, source: str, expected: Any) -> None:
        if expected is None:
            assert "orValue" in fails(source, x={"a": 1}, at=AT).issue
        else:
            assert value(source, x={}, at=AT) == expected

    @pytest.mark.parametrize("source", ["1.0 / 0.0", "{1: 2}", "type(1)", "x.?none", "9007199254740993"])
    def test_what_json_cannot_hold_is_an_error(self, source: str) -> None:
        assert fails(source, x={}).issue

    def test_what_is_not_there_is_told_apart(self) -> None:
        assert fails("x.none", x={}).missing
        assert not fails("1 / (x.a - 1)", x={"a": 1}).missing

    def test_a_null_that_is_only_looked_into_is_an_empty_object(self) -> None:
        nothing = {"steps.a.output": None}
        assert value("steps.a.output.?b.?c.orValue(1)", **nothing) == 1
        assert value("has(steps.a.output.b)", **nothing) is False
        assert value("steps.a.output == null", **nothing) is True
        assert fails("steps.a.output.b", **nothing).missing

    def test_a_result_is_bounded(self) -> None:
        assert "larger" in fails("x + x + x + x", x="a" * 300_000).issue

    def test_what_it_reads_and_whether_it_is_bounded(self) -> None:
        plain = compile_expression("steps.a.output.b + x.c", VARIABLES)
        assert (sorted(plain.reads), plain.bounded) == (["steps.a.output", "x"], True)
        assert not compile_expression("x.map(i, i)", VARIABLES).bounded
        assert plain == compile_expression("steps.a.output.b + x.c", VARIABLES | {"y": Type.INT})

    def test_a_condition_gives_true_or_false(self) -> None:
        with pytest.raises(InvalidExpression):
            compile_expression("'a'", VARIABLES, condition=True)
        assert compile_expression("x.a", VARIABLES, condition=True).holds({"x": {"a": True}})
        with pytest.raises(ExpressionError):
            compile_expression("x.a", VARIABLES, condition=True).holds({"x": {"a": 1}})


@pytest.fixture(scope="module")
async def evaluator() -> AsyncIterator[Evaluator]:
    made = Evaluator(1)
    yield made
    await made.close()


HOSTILE = [
    "x.map(a, x.map(b, x.map(c, a + b + c)))",
    "x.all(a, x.all(b, x.all(c, a + b + c >= 0)))",
    "x.map(a, [x, x, x, x]).map(a, [a, a, a, a]).map(a, [a, a, a, a])",
    "'" + "a" * 10 + "'" + ".replace('a', 'aaaaaaaaaa')" * 9,
    "x.map(a, 'aaaaaaaaaaaaaaaaaaaaaaaa'.matches('(a?){1000}z'))",
]


class TestEvaluator:
    async def test_loops_are_evaluated_elsewhere_to_the_same(self, evaluator: Evaluator) -> None:
        found = compile_expression("x.filter(i, i.a != null).map(i, {'b': i.a, 'n': null})", VARIABLES)
        given = {"x": [{"a": 1}, {"a": None}, {"a": "ü"}]}
        expected = [{"b": 1, "n": None}, {"b": "ü", "n": None}]
        assert await evaluator.value(found, given) == found.value(given) == expected
        assert await evaluator.holds(compile_expression("x.exists(i, i == 2)", VARIABLES), {"x": [1, 2]})

    async def test_errors_come_back_as_they_are(self, evaluator: Evaluator) -> None:
        with pytest.raises(ExpressionError) as caught:
            await evaluator.value(compile_expression("x.map(i, i.a)", VARIABLES), {"x": [{}]})
        assert caught.value.missing

    @pytest.mark.parametrize("source", HOSTILE)
    async def test_a_hostile_one_ends_and_the_next_is_served(self, evaluator: Evaluator, source: str) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        with pytest.raises(ExpressionError):
            await evaluator.value(compile_expression(source, VARIABLES), {"x": list(range(400))})
        assert loop.time() - begun < 5
        assert await evaluator.value(compile_expression("x.map(i, i)", VARIABLES), {"x": [1]}) == [1]

    async def test_many_at_once_share_the_processes(self, evaluator: Evaluator) -> None:
        found = compile_expression("x.map(i, i + 1)", VARIABLES)
        asked = [evaluator.value(found, {"x": [n]}) for n in range(50)]
        assert await asyncio.gather(*asked) == [[n + 1] for n in range(50)]

    async def test_one_who_leaves_spoils_nothing(self, evaluator: Evaluator) -> None:
        found = compile_expression("x.map(i, i + 1)", VARIABLES)
        for _ in range(3):
            asking = asyncio.create_task(evaluator.value(found, {"x": list(range(2000))}))
            await asyncio.sleep(0)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            assert await evaluator.value(found, {"x": [1]}) == [2]


@settings(max_examples=150)
@given(st.lists(st.sampled_from(["x", "steps.a.output", ".b", "[0]", "+", "(", ")", "null", "'a'", ",", "?", "}"])))
def test_no_source_breaks_the_compiler(tokens: list[str]) -> None:
    try:
        found = compile_expression("".join(tokens), VARIABLES)
        found.value({"x": {"b": [1]}, "steps.a.output": None})
    except (InvalidExpression, ExpressionError):
        pass
