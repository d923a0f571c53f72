from provenance.expressions.engine import compiled
from provenance.expressions.tree import Call, Tree, read_tree
from provenance.expressions.types import Type


def tree(source: str) -> Tree:
    variables = (("items", Type.LIST), ("name", Type.STRING), ("steps.a.output", Type.ANY))
    return read_tree(compiled(source, variables).serialize())


class TestReadTree:
    def test_variables(self) -> None:
        assert {"name", "steps.a.output"} <= tree("name == 'x' || steps.a.output.ok").variables
        assert "items" not in tree("name == 'items'").variables

    def test_calls_with_their_literal(self) -> None:
        assert Call("contains", "x") in tree("name.contains('x')").calls
        assert Call("contains", "") in tree("name.contains('')").calls
        assert Call("contains", None) in tree("name.contains(name)").calls
        assert Call("indexOf", "x") in tree("name.indexOf('x', 3) == 1").calls
        assert Call("matches", "x") in tree("matches(name, 'x')").calls
        assert Call("size", None) in tree("'x'.size() == 1").calls

    def test_calls_are_found_wherever_they_stand(self) -> None:
        for source in (
            "{'a': name.trim()}.a == ''",
            "{name.trim(): 1}.size() == 1",
            "[name.trim()] == ['']",
            "[[name.trim()]][0][0] == ''",
            "has({'a': {'b': name.trim()}}.a.b)",
            "(name == '' ? name.trim() : '') == ''",
            "items.exists(x, x == name.trim())",
            "items.map(x, name.trim() == '', x) == []",
            "[name.trim()].exists(x, true)",
            "optional.of(name.trim()).optMap(x, x).hasValue()",
        ):
            assert "trim" in {call.function for call in tree(source).calls}, source

    def test_loops(self) -> None:
        assert tree("name == ''").loops == 0
        assert tree("items.all(x, x == 1) && items.all(x, x == 1)").loops == 1
        assert tree("items.all(x, items.exists(y, x == y))").loops == 2
        assert tree("items.filter(x, x == 1).exists(x, true)").loops == 2

    def test_numbers_of_every_width_are_passed_over(self) -> None:
        found = tree("name.contains('x') && 1.5 > 0.5 && 9223372036854775807 > -1 && 1u > 0u && b'x' == b'y'")
        assert Call("contains", "x") in found.calls
        assert found.nodes == 19
