"""Expressions held to the schemas of what they read."""

from typing import Any

import pytest

from provenance.expressions import Evaluator, InvalidExpression, Kind, Shape, Type, compile_expression

INPUT = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "amount": {"type": "number"},
        "count": {"type": "integer"},
        "ok": {"type": "boolean"},
        "note": {"type": ["string", "null"]},
        "customer": {"type": "object", "properties": {"name": {"type": "string"}}, "additionalProperties": False},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"price": {"type": "number"}}}},
        "tags": {"type": "array", "items": {"type": "string"}},
        "extra": {"type": "object"},
    },
}
VARIABLES: dict[str, Kind] = {"input": Shape(INPUT), "any": Type.ANY, "name": Type.STRING}


def refused(source: str, **options: bool) -> InvalidExpression:
    with pytest.raises(InvalidExpression) as caught:
        compile_expression(source, VARIABLES, **options)
    return caught.value


class TestProperties:
    @pytest.mark.parametrize(
        ("source", "issue", "at"),
        [
            ("input.amout > 1.0", "input has no property amout; did you mean amount?", 5),
            ("input.customer.email", "input.customer has no property email; its schema has name", 14),
            ("input['total']", "input has no property total", 5),
            ("input.lines[0].prize", "has no property prize; did you mean price?", 14),
            ("input.lines.exists(l, l.prize > 1.0)", "did you mean price?", 23),
            ("input.lines.map(l, [l].map(m, l.cost))", "has no property cost", 31),
            ("input.?customer.email.orValue('')", "has no property email", 15),
            ("input.?amout.orValue(1.0)", "did you mean amount?", 5),
            ("input.?customer.optMap(c, c.nam).hasValue()", "did you mean name?", 27),
            ("{'a': [input.nothing]}", "has no property nothing", 12),
            ("any.x ? input.nothing : 1", "has no property nothing", 13),
        ],
    )
    def test_one_that_is_not_declared(self, source: str, issue: str, at: int) -> None:
        error = refused(source)
        assert (error.code, error.position) == ("unknown_property", at)
        assert issue in error.issue

    @pytest.mark.parametrize(
        "source",
        [
            "input.customer.name",
            "input.extra.whatever.deep",
            "input.lines.filter(l, l.price > 1).map(l, l.price)",
            "has(input.nothing)",
            "any.whatever",
            "input[name]",
            "input.lines[0].?price.orValue(0)",
            "input.map(k, k)",
        ],
    )
    def test_what_is_fine(self, source: str) -> None:
        assert compile_expression(source, VARIABLES)


class TestKinds:
    @pytest.mark.parametrize(
        ("source", "issue"),
        [
            ("input.amount > 'a'", "'>' cannot be applied to (double, string); input.amount is a number"),
            ("input.amount * 2", "write both numbers alike"),
            ("input.id + 1", "'+' cannot be applied to (string, int); input.id is a text"),
            ("input.id == 3", "'==' cannot be applied to (string, int)"),
            ("input.id.deep", "input.id is a text, which has no members"),
            ("input.count.startsWith('a')", "input.count is an integer"),
            ("!input.id", "'!' cannot be applied to (string)"),
            ("input.ok && input.count", "input.count is an integer"),
            ("input.lines.all(l, l.price.startsWith('a'))", "cannot be applied to (double, string)"),
            ("size(input.amount)", "'size' cannot be applied to (double)"),
            ("(input.amount * 2.0) == 'a'", "(double, string)"),
            ("sha256(input.count)", "'sha256' cannot be applied to (int)"),
            ("input.tags > 1", "'>' cannot be applied to (list(dyn), int)"),
        ],
    )
    def test_a_function_that_takes_another(self, source: str, issue: str) -> None:
        error = refused(source)
        assert error.code == "type_error"
        assert issue in error.issue

    @pytest.mark.parametrize(
        ("source", "given", "expected"),
        [
            ("input.amount > 500", {"amount": 750}, True),
            ("input.amount == 750", {"amount": 750}, True),
            ("input.amount * 2.0", {"amount": 750}, 1500),
            ("input.amount / 4.0", {"amount": 10}, 2.5),
            ("input.count / 4", {"count": 10.0}, 2),
            ("input.note == null ? 'none' : input.note", {"note": None}, "none"),
            ("input.id == null", {"id": "a"}, False),
            ("input.id + '!'", {"id": "a"}, "a!"),
            ("input.amount in [750, 1]", {"amount": 750.0}, True),
            ("string(input.amount)", {"amount": 750}, "750"),
            ("input.lines.map(l, l.price * 0.5)", {"lines": [{"price": 3}]}, [1.5]),
            ("input.lines.map(l, l.price)[0] + 0.5", {"lines": [{"price": 3}]}, 3.5),
            ("coalesce(input.note, input.id)", {"note": None, "id": "a"}, "a"),
        ],
    )
    def test_numbers_are_typed_by_their_schema(self, source: str, given: Any, expected: Any) -> None:
        assert compile_expression(source, VARIABLES).value({"input": given}) == expected

    def test_a_condition_is_true_or_false(self) -> None:
        assert refused("input.amount", condition=True).code == "not_a_condition"
        assert compile_expression("input.ok", VARIABLES, condition=True)
        assert compile_expression("input.extra.ok", VARIABLES, condition=True)

    async def test_elsewhere_they_are_typed_alike(self) -> None:
        evaluator = Evaluator(1)
        try:
            found = compile_expression("input.lines.map(l, l.price * 0.5)", VARIABLES)
            assert await evaluator.value(found, {"input": {"lines": [{"price": 3}]}}) == [1.5]
        finally:
            await evaluator.close()


class TestStudy:
    def test_advice_on_arithmetic(self) -> None:
        def codes(source: str) -> list[str]:
            return [each.code for each in compile_expression(source, VARIABLES).study.advice]

        assert codes("any.x + 1") == ["untyped"]
        assert codes("any.x * any.y") == ["untyped"]
        assert codes("-any.x") == ["untyped"]
        assert codes("double(any.x) + 1.0") == codes("input.amount + 1.0") == codes("input.count + 1") == []
        assert codes("'a' + any.x") == codes("any.x > 1") == codes("[1] + any.x") == []
        issue = compile_expression("any.x + 1", VARIABLES).study.advice[0]
        assert "any.x" in issue.issue
        assert "double(x)" in issue.issue
        assert issue.at == 6

    def test_what_it_reads_member_by_member(self) -> None:
        study = compile_expression("input.customer.name + input.?id.orValue(any.a[0].b)", VARIABLES).study
        assert {("input", "customer", "name"), ("any", "a")} <= study.paths | {("any", "a")}
        assert study.opened == {"input", "any"}
        assert compile_expression("has(any.a) && any == 1", VARIABLES).study.opened == frozenset()
        assert compile_expression("any.?a.b.orValue(1)", VARIABLES).study.tested == {"any"}
