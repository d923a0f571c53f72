"""Hostile expressions: each ends within its budget of time and memory, and the error names the limit."""

import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.expressions import (
    Evaluator,
    Expression,
    ExpressionError,
    InvalidExpression,
    Kind,
    Shape,
    Type,
    compile_expression,
)
from provenance.expressions.child import MEMORY_BYTES
from tests.expressions.test_expression import json_values

VARIABLES: dict[str, Kind] = {
    "x": Type.ANY,
    "input": Shape({"type": "object", "properties": {"a": {"type": "number"}, "l": {"type": "array"}}}),
}
MOST = 4096


def compiled(source: str) -> Expression:
    return compile_expression(source, VARIABLES)


def refused(source: str) -> InvalidExpression:
    with pytest.raises(InvalidExpression) as caught:
        compiled(source)
    return caught.value


def many(unit: str, *, begin: str = "", end: str = "") -> str:
    """As many units as there is room for."""
    return begin + unit * ((MOST - len(begin) - len(end)) // len(unit)) + end


@pytest.fixture(scope="module")
async def evaluator() -> AsyncIterator[Evaluator]:
    made = Evaluator(1)
    yield made
    await made.close()


def children() -> list[Path]:
    """The processes of ours that evaluate."""
    pids = [pid for task in Path("/proc/self/task").glob("*/children") for pid in task.read_text().split()]
    found = [Path("/proc", pid) for pid in pids]
    return [each for each in found if b"provenance.expressions.child" in (each / "cmdline").read_bytes()]


class TestSource:
    def test_has_4_kib(self) -> None:
        assert compiled("'" + "é" * 2047 + "'").value({}) == "é" * 2047
        error = refused("'" + "é" * 2048 + "'")
        assert (error.code, "4096" in error.issue) == ("too_long", True)

    def test_comprehensions_nest_three_deep(self) -> None:
        assert compiled("x.map(a, a.map(b, b.map(c, c)))")
        error = refused("x.map(a, a.map(b, b.map(c, c.map(d, d))))")
        assert (error.code, "3 deep" in error.issue) == ("too_complex", True)

    def test_nothing_doubles_while_it_is_compiled(self) -> None:
        error = refused("optional.of(x)" + ".optMap(v, v + v)" * 5 + ".hasValue()")
        assert (error.code, "at most 4" in error.issue) == ("too_complex", True)

    @pytest.mark.parametrize(
        "source",
        [
            "(" * 2000 + "x" + ")" * 2000,
            "[" * 2048 + "]" * 2048,
            many("{'a':", end="1" + "}" * 3),
            many("!", end="true"),
            many("-", end="1"),
            many(".a", begin="x"),
            many(".?a", begin="x"),
            many("[0]", begin="x"),
            many(".a()", begin="x"),
            many(".map(a,a)", begin="x"),
            many("x.map(a,", end="a"),
            many("x?x:", end="x"),
            many("x+", end="x"),
            many("x&&", end="x"),
            many("x==", end="x"),
            many("x,", begin="[", end="x]"),
            many("'a':1,", begin="{", end="'b':1}"),
            many("input.a>1.0&&", end="true"),
            many("toJson(", end="x"),
            many("x,", begin="coalesce(", end="x)"),
            many("x,", begin="math.greatest(", end="x)"),
            many("(a?){1000}", begin="x.matches('", end="')"),
            many("x.all(a,a)||", end="true"),
            many("\\", begin="'", end="'"),
            many("'"),
            many("`"),
            many("/"),
            many("\x00"),
            many("9"),
            many("9", begin="1e"),
            "x == '" + "😀" * 1000 + "'",
        ],
        ids=lambda source: f"{source[:12]!r}",
    )
    def test_the_worst_of_each_form_is_compiled_or_refused_at_once(self, source: str) -> None:
        begun = time.process_time()
        with contextlib.suppress(InvalidExpression, ExpressionError):
            found = compiled(source)
            if found.bounded:
                found.value({"x": "a" * 1000, "input": {"a": 1}})
        assert time.process_time() - begun < 5


class TestEvaluation:
    @pytest.mark.parametrize(
        ("source", "size"),
        [
            ("x.all(a, x.all(b, x.all(c, a + b + c >= 0)))", 400),
            ("x.map(a, x.map(b, a)).map(m, x.map(a, m))", 400),
            ("x.map(a, [x, x, x, x]).map(a, [a, a, a, a]).map(a, [a, a, a, a]) == []", 2000),
            ("'aaaaaaaaaa'" + ".replace('a', 'aaaaaaaaaa')" * 8 + " == ''", 1),
            ("x.map(a, 'aaaaaaaaaaaaaaaaaaaaaaaa'.matches('(a?){1000}z'))", 200),
            ("x.map(a, sha256(toJson([x, x, x, x, x, x])))", 2000),
            ("[x, x].map(l, l.map(a, toJson(x.map(b, parseJson(toJson(x))))))", 300),
        ],
    )
    async def test_time_and_memory_are_named(self, evaluator: Evaluator, source: str, size: int) -> None:
        begun = time.monotonic()
        with pytest.raises(ExpressionError) as caught:
            await evaluator.value(compiled(source), {"x": list(range(size))})
        assert time.monotonic() - begun < 30
        assert any(name in caught.value.issue for name in ("256 MB", "1048576", "10000 times")), caught.value.issue
        assert await evaluator.value(compiled("x.map(i, i)"), {"x": [1]}) == [1]

    async def test_the_kernel_holds_the_process_to_its_memory(self, evaluator: Evaluator) -> None:
        await evaluator.value(compiled("x.map(i, i)"), {"x": [1]})
        assert children()
        for child in children():
            limits = (child / "limits").read_text()
            [line] = [line for line in limits.splitlines() if line.startswith("Max address space")]
            [size] = [line for line in (child / "status").read_text().splitlines() if line.startswith("VmSize")]
            assert int(line.split()[3]) <= int(size.split()[1]) * 1024 + MEMORY_BYTES

    @pytest.mark.parametrize("source", ["x + x + x + x", "[x, x, x, x]", "{'a': x, 'b': [x, x, x]}"])
    def test_a_result_has_1_mib(self, source: str) -> None:
        with pytest.raises(ExpressionError) as caught:
            compiled(source).value({"x": "a" * 300_000})
        assert "1048576" in caught.value.issue

    async def test_what_makes_a_million_parts_is_evaluated_elsewhere(self, evaluator: Evaluator) -> None:
        with pytest.raises(ExpressionError) as caught:
            await evaluator.value(compiled("x.split('')"), {"x": "a" * (1 << 20)})
        assert any(name in caught.value.issue for name in ("256 MB", "1048576"))

    async def test_so_has_one_that_comes_from_elsewhere(self, evaluator: Evaluator) -> None:
        with pytest.raises(ExpressionError) as caught:
            await evaluator.value(compiled("[1, 2, 3, 4].map(i, x)"), {"x": "a" * 300_000})
        assert "1048576" in caught.value.issue

    async def test_what_is_read_has_16_mib(self, evaluator: Evaluator) -> None:
        with pytest.raises(ExpressionError) as caught:
            await evaluator.value(compiled("x.map(i, 1)"), {"x": ["a" * (1 << 20)] * 17})
        assert "16 MiB" in caught.value.issue


WORDS = [
    "x",
    "input",
    ".a",
    ".?a",
    "['a']",
    "[?0]",
    "(",
    ")",
    "[",
    "]",
    "{'a': ",
    "}",
    ", ",
    " + ",
    " == ",
    " && ",
    "!",
]
WORDS += [" ? ", " : ", "1", "1.5", "'a'", "b'a'", "null", "true", ".map(i, ", "i", ".exists(i, ", ".orValue(", "has("]
WORDS += ["toJson(", "parseJson(", "coalesce(", "dyn(", "optional.of(", ".optMap(v, ", "v", "type(", "duration('1s')"]
WORDS += [
    "timestamp('2026-01-01T00:00:00Z')",
    "size(",
    ".matches('a+')",
    ".split('')",
    "math.greatest(",
    ".format([x])",
]
WORDS += ["google.protobuf.Value{}", "-", "in ", "`a`", "//", "\n", "\\", "'"]


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=16).map("".join), json_values)
async def test_no_text_ends_the_process_or_the_one_beside(evaluator: Evaluator, source: str, given: Any) -> None:
    with contextlib.suppress(InvalidExpression, ExpressionError):
        await evaluator.value(compiled(source), {"x": given, "input": {"a": given, "l": [given]}})


@settings(max_examples=150)
@given(st.text(max_size=200))
def test_no_characters_do(source: str) -> None:
    with contextlib.suppress(InvalidExpression, ExpressionError):
        compiled(source).value({"x": 1, "input": {}})
