"""An expression that gives a value: checked once, then JSON in and JSON out.

The engine spoils the interpreter's None when a null is read out of a result. So a result is never read as a whole:
each part is asked for its kind first, and a null is made here, not taken from there.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from cel_expr_python import cel

from provenance.expressions import bounds
from provenance.expressions.checking import Study, studied
from provenance.expressions.condition import program_of
from provenance.expressions.errors import ExpressionError, InvalidExpression, from_evaluation
from provenance.expressions.shapes import Shape
from provenance.expressions.tree import Tree, read_tree
from provenance.expressions.types import READ_AS, Type, text_of_time

RESULT_BYTES: Final = 1 << 20
_KEPT: Final = 4096
_LARGEST: Final = 2**53 - 1
_INFINITE: Final = float("inf")
_MANY: Final = frozenset(["split"])
"""Functions that make a list of a text: of a million letters, a million texts."""
_NOT_READ: Final = frozenset({"TYPE", "UNKNOWN", "ERROR"})

Kind = Type | Shape
"""How a variable is declared: by its type, or by what is known of the JSON it holds."""

_Variables = tuple[tuple[str, Kind], ...]


class Expression:
    """A compiled expression. Immutable; equal to another of the same source over the same variables.

    ``reads`` are the variables it reads, ``bounded`` tells whether evaluating costs a known amount: one that is
    not bounded belongs into a process that can be stopped (`Evaluator`). ``gives`` is the engine's name of the
    result's kind (``BOOL``, ``STRING``, ``DYN`` …) as far as it is known beforehand. ``study`` tells what it reads
    member by member, and what may go wrong.
    """

    __slots__ = ("_program", "_reads", "bounded", "gives", "reads", "source", "study", "tree", "variables")

    def __init__(self, source: str, program: cel.Expression, variables: _Variables, tree: Tree, study: Study) -> None:
        self.source = source
        self.tree = tree
        self.study = study
        self.variables = tuple(each for each in variables if each[0] in tree.variables)
        self.reads = frozenset(name for name, _ in self.variables)
        self.bounded = _is_bounded(tree)
        self.gives = program.return_type().name()
        self._program = program
        self._reads: list[tuple[str, Callable[[Any], Any], Any]] = [
            (name, _reader(kind), {} if _is_json(kind) and name not in tree.wholes else None)
            for name, kind in self.variables
        ]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and (self.source, self.variables) == (other.source, other.variables)

    def __hash__(self) -> int:
        return hash((self.source, self.variables))

    def __repr__(self) -> str:
        return f"Expression({self.source!r})"

    def value(self, values: Mapping[str, Any]) -> Any:
        """Return the result as JSON: timestamps as RFC 3339 texts, durations as ``90s``, bytes in base64,
        whole numbers without a fraction.

        Raises ExpressionError; with ``missing`` set when something it reads is not there.
        """
        try:
            data = {name: self._given(values[name], read, bare) for name, read, bare in self._reads if name in values}
            return _Reader().json(self._program.eval(data=data))
        except (RuntimeError, RecursionError, TypeError, ValueError, OverflowError) as error:
            raise from_evaluation(str(error)) from None

    @staticmethod
    def _given(value: Any, read: Callable[[Any], Any], bare: Any) -> Any:
        """A null that is only looked into is an object without members: `a.?b` finds nothing, `a.b` is missing."""
        return bare if value is None else read(value)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Tell whether the expression gives true. Raises ExpressionError when it gives anything but true or false."""
        result = self.value(values)
        if result is True or result is False:
            return result
        raise ExpressionError("the condition gives neither true nor false")


class _Reader:
    """Reads a result out of the engine, up to a size."""

    def __init__(self) -> None:
        self.left = RESULT_BYTES

    def json(self, value: Any) -> Any:
        kind = value.type().name()
        if kind == "NULL":
            return None
        if kind in _NOT_READ:
            raise _not_json(kind, value)
        try:
            found = value.value()
        except TypeError:
            raise ExpressionError("the result is an optional value; end it with orValue()") from None
        return self._plain(found)

    def _plain(self, found: Any) -> Any:
        if isinstance(found, bool):
            return found
        if isinstance(found, list):
            self._spend(len(found))
            return [self.json(item) for item in found]
        if isinstance(found, dict):
            return {self._key(name): self.json(member) for name, member in found.items()}
        return self._scalar(found)

    def _key(self, name: Any) -> str:
        if not isinstance(name, str):
            raise ExpressionError("an object of the result has a name that is no text")
        self._spend(len(name) + 4)
        return name

    def _scalar(self, found: Any) -> Any:
        if isinstance(found, str):
            self._spend(len(found))
            return found
        if isinstance(found, int | float):
            if _LARGEST < abs(found) < _INFINITE:
                raise ExpressionError("the result holds a number beyond ±(2^53−1); turn it into a text")
            if found - found != 0:
                raise ExpressionError("the result holds a number that JSON cannot: infinite, or not a number")
            return int(found) if isinstance(found, float) and found.is_integer() else found
        if isinstance(found, bytes | bytearray):
            self._spend(len(found))
            return b64encode(found).decode()
        return text_of_time(found)

    def _spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise ExpressionError(f"the result is larger than {RESULT_BYTES} bytes")


def _not_json(kind: str, value: Any) -> ExpressionError:
    if kind == "ERROR":
        # An optional without a value calls itself an error as well, and has no text.
        try:
            return from_evaluation(value.value())
        except TypeError:
            return ExpressionError("the result is an optional value; end it with orValue()")
    return ExpressionError(f"the result is a {kind.lower()}, which JSON cannot hold")


def _reader(kind: Kind) -> Callable[[Any], Any]:
    return kind.typed if isinstance(kind, Shape) else READ_AS[kind]


def _is_json(kind: Kind) -> bool:
    return isinstance(kind, Shape) or kind is Type.ANY


def _is_bounded(tree: Tree) -> bool:
    if any(call.function in _MANY for call in tree.calls):
        return False
    try:
        bounds.check_bounded(tree)
    except InvalidExpression:
        return False
    return True


def compile_expression(source: str, variables: Mapping[str, Kind], *, condition: bool = False) -> Expression:
    """Compile and type-check an expression over declared variables; names may be dotted (`steps.a.output`).

    With ``condition`` it must give true or false. A variable with a `Shape` is held to its schema: a member that it
    does not have is refused, as is a function that is given another kind than it takes. Compiled expressions are
    kept, some thousands at most. Raises `InvalidExpression` (spec/automation.md section 6.4).
    """
    return _compiled(source, tuple(sorted(variables.items(), key=_name_of)), condition)


def _name_of(variable: tuple[str, Kind]) -> str:
    return variable[0]


@lru_cache(maxsize=_KEPT)
def _compiled(source: str, variables: _Variables, condition: bool) -> Expression:
    declared = tuple((name, "any" if isinstance(kind, Shape) else kind) for name, kind in variables)
    program = program_of(source, declared, condition=condition)
    written = program.serialize()
    tree = read_tree(written)
    bounds.check_loops(tree)
    bounds.check_values(tree)
    shapes = {name: kind for name, kind in variables if isinstance(kind, Shape)}
    return Expression(source, program, variables, tree, studied(written, shapes, condition=condition))
