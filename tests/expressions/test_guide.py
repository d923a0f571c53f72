"""The guide to expressions says what is so: every example is evaluated, every function is named."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from provenance.expressions import (
    Evaluator,
    ExpressionError,
    InvalidExpression,
    Kind,
    Shape,
    Type,
    bounds,
    compile_expression,
)
from provenance.workflows.knowing import schema_of_value
from provenance.workflows.mapping import compile_mapping, resolve_anywhere

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "guides" / "expressions.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


SCOPE: dict[str, Any] = json.loads(blocks("json")[0])
NUMBER, TEXT = {"type": "number"}, {"type": "string"}
LINE = {"type": "object", "properties": {"sku": TEXT, "price": NUMBER, "count": {"type": "integer"}}}
CUSTOMER = {"type": "object", "properties": {"name": TEXT, "phone": TEXT, "tags": {"type": "array", "items": TEXT}}}
INPUT = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("id", "email", "at", "raw"), TEXT),
        "amount": NUMBER,
        "note": {"type": ["string", "null"]},
        "customer": CUSTOMER,
        "lines": {"type": "array", "items": LINE},
    },
}
VALUES = {
    "input": SCOPE["input"],
    "vars": SCOPE["vars"],
    **{f"run.{name}": value for name, value in SCOPE["run"].items()},
    **{f"steps.{key}.{name}": value for key, step in SCOPE["steps"].items() for name, value in step.items()},
    "approval.gate.payload": SCOPE["approval"]["gate"]["payload"],
}
VARIABLES: dict[str, Kind] = {
    **dict.fromkeys(VALUES, Type.ANY),
    "input": Shape(INPUT),
    "vars": Shape(schema_of_value(SCOPE["vars"])),
}
EXAMPLES = [
    (found[1].strip(), found[2])
    for block in blocks("cel")
    for line in block.splitlines()
    if (found := re.fullmatch(r"(.+?)\s+// (.+)", line)) is not None
]
MAPPINGS = [
    (json.loads(found[1]), json.loads(found[2]))
    for block in blocks("yaml")
    for line in block.splitlines()
    if (found := re.fullmatch(r"\w+: (\".*\")\s+# (.+)", line)) is not None
]


@pytest.fixture(scope="module")
async def evaluator() -> AsyncIterator[Evaluator]:
    made = Evaluator(1)
    yield made
    await made.close()


async def given(source: str, evaluator: Evaluator) -> Any:
    """The value of an expression, or what its error says."""
    try:
        return await evaluator.value(compile_expression(source, VARIABLES), VALUES)
    except (InvalidExpression, ExpressionError) as error:
        return f"error: {error.issue}"


@pytest.mark.parametrize(("source", "expected"), EXAMPLES, ids=[source for source, _ in EXAMPLES])
async def test_every_example_gives_what_it_says(evaluator: Evaluator, source: str, expected: str) -> None:
    found = await given(source, evaluator)
    if expected.startswith("error: "):
        assert str(found).startswith("error: ")
        assert expected.removeprefix("error: ") in found
    else:
        assert found == json.loads(expected)


@pytest.mark.parametrize(("written", "expected"), MAPPINGS)
async def test_every_mapping_gives_what_it_says(evaluator: Evaluator, written: str, expected: Any) -> None:
    node, wrong = compile_mapping(written, lambda source: compile_expression(source, VARIABLES))
    assert not wrong
    assert await resolve_anywhere(node, VALUES, evaluator) == expected


def test_nothing_in_the_examples_is_left_out() -> None:
    lines = [line for language in ("cel", "yaml") for block in blocks(language) for line in block.splitlines()]
    assert len(lines) == len(EXAMPLES) + len(MAPPINGS) > 120


def test_every_function_is_named() -> None:
    names = {name.rpartition(".")[2] for name in bounds.LINEAR | bounds.SEARCHING if re.fullmatch(r"[\w.]+", name)}
    names |= {"greatest", "least", "replace", "join", "format", "quote", "optMap", "exists_one"}
    assert [name for name in sorted(names) if name[0] != "_" and f"{name}(" not in GUIDE] == []
