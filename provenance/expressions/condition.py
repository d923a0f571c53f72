"""A condition: an expression that is checked once and then answers yes, no or an error."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from cel_expr_python import cel

from provenance.expressions import bounds, engine
from provenance.expressions.errors import ExpressionError, InvalidExpression, from_evaluation
from provenance.expressions.tree import read_tree
from provenance.expressions.types import READ_AS, Type

_KEPT_CONDITIONS: Final = 1024

_Variables = tuple[tuple[str, Type], ...]


class Condition:
    """A compiled condition. Immutable, cheap to evaluate, safe to use from several threads at once."""

    __slots__ = ("_program", "_reads", "source")

    def __init__(self, source: str, program: cel.Expression, variables: Mapping[str, Type]) -> None:
        self.source = source
        self._program = program
        self._reads = [(name, READ_AS[kind]) for name, kind in variables.items()]

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether the condition is true for these values: JSON as Python reads it, by variable name.

        Raises `ExpressionError` when the evaluation fails or gives anything but true and false; a value the
        expression needs and does not find gives one with `missing` set. Nothing but true ever counts as true.
        """
        try:
            data = {name: read(values[name]) for name, read in self._reads if name in values}
            result = self._program.eval(data=data)
        except (RuntimeError, RecursionError, TypeError, ValueError, OverflowError) as error:
            raise from_evaluation(str(error)) from None
        # The engine hands an error back as a value, and a text, which is truthy. The kind is asked first also
        # because reading a null out of a result takes away a reference of None, until the process dies of it.
        kind = result.type()
        if kind == cel.Type.BOOL:
            return result.value() is True
        if kind == cel.Type.ERROR:
            raise from_evaluation(result.value())
        raise ExpressionError(f"the condition gives {kind.name()}, neither true nor false")


def compile_condition(source: str, variables: Mapping[str, Type], *, allow_comprehensions: bool = False) -> Condition:
    """Compile and type-check a condition over declared variables; names may be dotted (`steps.a.output`).

    Without `allow_comprehensions` the expression is also held to what costs a known amount: no loops, no
    functions that multiply texts, short literal patterns. Compiled conditions are kept, a thousand at most.
    Raises `InvalidExpression` (spec/automation.md section 6.4).
    """
    return _compiled(source, tuple(sorted(variables.items())), allow_comprehensions)


@lru_cache(maxsize=_KEPT_CONDITIONS)
def _compiled(source: str, variables: _Variables, allow_comprehensions: bool) -> Condition:
    program = program_of(source, variables, condition=True)
    tree = read_tree(program.serialize())
    bounds.check_loops(tree)
    bounds.check_values(tree)
    if not allow_comprehensions:
        bounds.check_bounded(tree)
    return Condition(source, program, {name: kind for name, kind in variables if name in tree.variables})


def program_of(source: str, variables: engine.Declared, *, condition: bool) -> cel.Expression:
    """Compile a source over variables; ``condition``: it must give true or false. Raises `InvalidExpression`."""
    bounds.check_source(source)
    program = engine.compiled(source, variables)
    result = program.return_type()
    if condition and result not in (cel.Type.BOOL, cel.Type.DYN):
        issue = f"a condition is true or false; this gives {result.name()}"
        raise InvalidExpression("not_a_condition", issue)
    return program
