"""Mappings: JSON in which a text may hold ``{{ expressions }}`` (spec/automation.md, 6.4).

A text that is exactly one expression keeps the type of its value; in a longer text values are written out. Where an
expression ends is found by reading its tokens: a brace inside a string or an object of the expression ends nothing.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

import msgspec

from provenance.expressions import Evaluator, Expression, ExpressionError, InvalidExpression

OPEN: Final = "{{"
TEXT_AT_MOST: Final = 1 << 20
_PLAIN_BELOW: Final = 1e21
# What the scan must not look into: texts (raw and bytes ones are the same to it) and comments.
_TOKEN = re.compile(
    r"""//[^\n]*|[rR]?[bB]?[rR]?(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|.""",
    re.DOTALL,
)
_RAW = re.compile(r"""(?:[rR][bB]?|[bB][rR])(?:\"\"\"(?:.)*?\"\"\"|'''(?:.)*?'''|"[^"\n]*"|'[^'\n]*')""", re.DOTALL)
_CLOSES: Final = {"}": "{", "]": "[", ")": "("}

Compile = Callable[[str], Expression]
"""Compiles one expression over the variables of its place. Raises InvalidExpression."""


class Literal(msgspec.Struct, frozen=True, tag="literal"):
    """A value without expressions."""

    value: Any

    def source(self) -> Any:
        """Return what was written."""
        return self.value


class Exactly(msgspec.Struct, frozen=True, tag="exactly"):
    """A text that is one expression: its value keeps its type."""

    expression: Expression
    written: str

    def source(self) -> Any:
        """Return what was written."""
        return self.written


class Text(msgspec.Struct, frozen=True, tag="text"):
    """A text with expressions in it."""

    parts: tuple[str | Expression, ...]
    written: str

    def source(self) -> Any:
        """Return what was written."""
        return self.written


class ListOf(msgspec.Struct, frozen=True, tag="list"):
    """A list with expressions somewhere inside."""

    items: tuple["Node", ...]

    def source(self) -> Any:
        """Return what was written."""
        return [item.source() for item in self.items]


class MapOf(msgspec.Struct, frozen=True, tag="map"):
    """An object with expressions somewhere inside."""

    members: tuple[tuple[str, "Node"], ...]

    def source(self) -> Any:
        """Return what was written."""
        return {name: member.source() for name, member in self.members}


Node = Literal | Exactly | Text | ListOf | MapOf


class Misplaced(Exception):
    """An expression of a mapping does not compile: where in the mapping, and why."""

    def __init__(self, path: str, error: InvalidExpression) -> None:
        super().__init__(error.issue)
        self.path = path
        self.error = error


def compile_mapping(value: Any, compile_expression: Compile, at: str = "") -> tuple[Node, list[Misplaced]]:
    """Compile a mapping; what does not compile is returned with its path, and stands as a literal in the result."""
    wrong: list[Misplaced] = []
    return _compiled(value, compile_expression, at, wrong), wrong


def _compiled(value: Any, compile_expression: Compile, at: str, wrong: list[Misplaced]) -> Node:
    if isinstance(value, str) and OPEN in value:
        try:
            return _text(value, compile_expression)
        except InvalidExpression as error:
            wrong.append(Misplaced(at, error))
    elif isinstance(value, list):
        items = tuple(_compiled(item, compile_expression, f"{at}[{n}]", wrong) for n, item in enumerate(value))
        if not all(isinstance(item, Literal) for item in items):
            return ListOf(items)
    elif isinstance(value, dict):
        members = tuple((k, _compiled(v, compile_expression, f"{at}.{k}", wrong)) for k, v in value.items())
        if not all(isinstance(member, Literal) for _, member in members):
            return MapOf(members)
    return Literal(value)


def _text(written: str, compile_expression: Compile) -> Node:
    parts: list[str | Expression] = []
    for is_expression, part in split(written):
        parts.append(compile_expression(part) if is_expression else part)
    if len(parts) == 1 and isinstance(parts[0], Expression):
        return Exactly(parts[0], written)
    return Text(tuple(parts), written)


def split(written: str) -> list[tuple[bool, str]]:
    """Split a text into plain parts (False) and sources of expressions (True); blanks around a single one are dropped.

    Raises InvalidExpression when an expression does not end, or is empty.
    """
    found: list[tuple[bool, str]] = []
    at = 0
    while (begin := written.find(OPEN, at)) >= 0:
        if begin > at:
            found.append((False, written[at:begin]))
        end = _end(written, begin + 2)
        source = written[begin + 2 : end].strip()
        if not source:
            raise InvalidExpression("syntax_error", "an expression is missing between {{ and }}", begin)
        found.append((True, source))
        at = end + 2
    if at < len(written):
        found.append((False, written[at:]))
    if sum(is_expression for is_expression, _ in found) == 1:
        rest = [part for is_expression, part in found if not is_expression]
        if all(part.isspace() for part in rest):
            return [each for each in found if each[0]]
    return found


def _end(written: str, at: int) -> int:
    """Return where the ``}}`` stands that ends the expression beginning at ``at``."""
    begun, open_brackets = at, ""
    while at < len(written):
        if not open_brackets and written.startswith("}}", at):
            return at
        token = _RAW.match(written, at) or _TOKEN.match(written, at)
        assert token is not None
        letter = token[0]
        if letter in ("(", "[", "{"):
            open_brackets += letter
        elif letter in _CLOSES and open_brackets.endswith(_CLOSES[letter]):
            open_brackets = open_brackets[:-1]
        at = token.end()
    raise InvalidExpression("syntax_error", "{{ is not closed by }}; a literal brace pair is {{ '{{' }}", begun - 2)


def expressions_of(node: Node) -> Iterator[Expression]:
    """Walk the expressions of a mapping."""
    if isinstance(node, Exactly):
        yield node.expression
    elif isinstance(node, Text):
        yield from (part for part in node.parts if isinstance(part, Expression))
    elif isinstance(node, ListOf):
        for item in node.items:
            yield from expressions_of(item)
    elif isinstance(node, MapOf):
        for _, member in node.members:
            yield from expressions_of(member)


def value_of(node: Node, evaluate: Callable[[Expression], Any]) -> Any:
    """Return the value of a mapping; ``evaluate`` gives that of each expression. Raises ExpressionError."""
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, Exactly):
        return evaluate(node.expression)
    if isinstance(node, Text):
        return _joined(part if isinstance(part, str) else written(evaluate(part)) for part in node.parts)
    if isinstance(node, ListOf):
        return [value_of(item, evaluate) for item in node.items]
    return {name: value_of(member, evaluate) for name, member in node.members}


def _joined(parts: Iterator[str]) -> str:
    text = "".join(parts)
    if len(text) > TEXT_AT_MOST:
        raise ExpressionError(f"the text is larger than {TEXT_AT_MOST} characters")
    return text


def resolve(node: Node, scope: Mapping[str, Any]) -> Any:
    """Return the value of a mapping whose expressions are all bounded, in this process. Raises ExpressionError."""
    return value_of(node, lambda expression: expression.value(scope))


async def resolve_anywhere(node: Node, scope: Mapping[str, Any], evaluator: Evaluator) -> Any:
    """Return the value of any mapping; expressions that are not bounded go to a process that can be stopped."""
    found = {each: await evaluator.value(each, scope) for each in expressions_of(node) if not each.bounded}
    return value_of(node, lambda expression: found[expression] if expression in found else expression.value(scope))


def constants(node: Node, scope: Mapping[str, Any]) -> Any:
    """Return what was written, with the expressions filled in that read nothing but these constants."""
    if isinstance(node, ListOf):
        return [constants(item, scope) for item in node.items]
    if isinstance(node, MapOf):
        return {name: constants(member, scope) for name, member in node.members}
    if isinstance(node, Text):
        return "".join(part if isinstance(part, str) else _filled(part, scope) for part in node.parts)
    if isinstance(node, Exactly) and _is_constant(node.expression, scope):
        with suppress(ExpressionError):
            return node.expression.value(scope)
    return node.source()


def _filled(expression: Expression, scope: Mapping[str, Any]) -> str:
    if _is_constant(expression, scope):
        with suppress(ExpressionError):
            return written(expression.value(scope))
    return "{{ " + expression.source + " }}"


def _is_constant(expression: Expression, scope: Mapping[str, Any]) -> bool:
    return expression.bounded and not expression.reads - scope.keys()


def written(value: Any) -> str:
    """Write a value into a text: numbers in shortest decimals, null as nothing, lists and objects as JSON by name."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _decimal(value)
    if isinstance(value, int):
        return str(value)
    # The engine's objects have no order of their own.
    return msgspec.json.encode(value, order="sorted").decode()


def _decimal(value: float) -> str:
    if value.is_integer() and abs(value) < _PLAIN_BELOW:
        return str(int(value))
    return format(Decimal(repr(value)), "f") if abs(value) < _PLAIN_BELOW else repr(value)


def all_bounded(nodes: Sequence[Node]) -> bool:
    """Tell whether every expression of these mappings may be evaluated in this process."""
    return all(expression.bounded for node in nodes for expression in expressions_of(node))
