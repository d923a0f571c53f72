"""Checking an expression against what schemas tell of its variables.

The compiler knows the declared kind of a variable, not the members of a JSON value. Here the members are followed, into
lists and loops too, and each function that is given one is put to the compiler again with the kinds that are known.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

import msgspec

from provenance.expressions import engine
from provenance.expressions.errors import InvalidExpression
from provenance.expressions.shapes import Shape
from provenance.expressions.syntax import Node, read_syntax

_COMPARISONS: Final = {"_==_": "==", "_!=_": "!=", "_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">="}
_ARITHMETIC: Final = {"_+_": "+", "_-_": "-", "_*_": "*", "_/_": "/", "_%_": "%"}
_INFIX: Final = {**_COMPARISONS, **_ARITHMETIC, "_&&_": "&&", "_||_": "||", "@in": "in"}
_PREFIX: Final = {"!_": "!", "-_": "-"}
_NUMBERS: Final = frozenset(["int", "uint", "double"])
_OPENS: Final = frozenset(["_?._", "_[_]", "_[?_]"])
_THROUGH: Final = frozenset(["value", "dyn"])
_CALLED: Final = {
    "int": "an integer",
    "uint": "an integer",
    "double": "a number",
    "string": "a text",
    "bool": "true or false",
    "list": "a list",
    "map": "an object",
}
_NAMED_AT_MOST: Final = 12


class Advice(msgspec.Struct, frozen=True, order=True):
    """Something that may go wrong at evaluation: a code, a sentence, the offset in characters where it is known."""

    code: str
    issue: str
    at: int | None


class Known(msgspec.Struct, frozen=True):
    """What is known of a node: its kind, its shape, and how it is written when it is a path into a variable."""

    kind: str = "dyn"
    shape: Shape | None = None
    path: tuple[str, ...] = ()
    certain: bool = False
    """The kind comes from a schema, or from what a function makes of such: the compiler has not seen it."""


_NOTHING: Final = Known()


class Study(msgspec.Struct, frozen=True):
    """What was found out about an expression.

    ``paths`` are what it reads, from the variable's name on, member by member; ``opened`` the variables of which a
    member is read that must be there, ``tested`` those of which one is asked for (`has`, `.?`). ``result`` is what is
    known of the value.
    """

    advice: tuple[Advice, ...]
    paths: frozenset[tuple[str, ...]]
    opened: frozenset[str]
    tested: frozenset[str]
    result: Known


def studied(serialized: bytes, shapes: Mapping[str, Shape], *, condition: bool) -> Study:
    """Study what the engine wrote for a type-checked expression. Raises InvalidExpression."""
    node = read_syntax(serialized)
    checker = Checker(shapes)
    result = checker.known(node)
    checker.ends(result)
    if condition and result.kind not in ("bool", "dyn"):
        issue = f"a condition is true or false; this gives {result.kind.upper()}"
        raise InvalidExpression("not_a_condition", issue)
    return Study(
        tuple(sorted(set(checker.advice), key=lambda each: (each.at or 0, each.issue))),
        frozenset(checker.paths),
        frozenset(checker.opened),
        frozenset(checker.tested),
        result,
    )


class Checker:
    """Walks one expression. What is wrong is raised, advice gathers; ``paths`` are what it reads, member by member."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        """Take what is known of the variables."""
        self._shapes = shapes
        self._loops: list[tuple[str, Known]] = []
        self.advice: list[Advice] = []
        self.paths: set[tuple[str, ...]] = set()
        self.opened: set[str] = set()
        self.tested: set[str] = set()

    def known(self, node: Node) -> Known:
        """Return what is known of a node, having checked all below it. Raises InvalidExpression."""
        if node.form == "ident":
            return self._ident(node)
        if node.form == "select":
            return self._select(node)
        if node.form == "loop":
            return self._loop(node)
        found = [self.known(part) for part in node.parts]
        for each in found:
            self.ends(each)
        return self._call(node, found) if node.form == "call" else Known(node.kind)

    def ends(self, known: Known) -> None:
        """A path that is not followed further is read as a whole."""
        if known.path:
            self.paths.add(known.path)

    def _ident(self, node: Node) -> Known:
        for name, known in reversed(self._loops):
            if name == node.name:
                return known
        shape = self._shapes.get(node.name)
        if shape is None:
            return Known(node.kind, path=(node.name,))
        return Known(shape.kind, shape, (node.name,), certain=True)

    def _select(self, node: Node) -> Known:
        subject = self.known(node.parts[0])
        self._opens(subject, tested=node.test)
        member = self._member(subject, node.name, node.at, asked=node.test)
        if node.test:
            self.ends(member)
            return Known("bool")
        return member if node.parts[0].kind != "optional" else msgspec.structs.replace(member, kind="optional")

    def _opens(self, subject: Known, *, tested: bool = False) -> None:
        if len(subject.path) == 1:
            (self.tested if tested else self.opened).add(subject.path[0])

    def _member(self, subject: Known, name: str, at: int | None, *, asked: bool) -> Known:
        path = (*subject.path, name) if subject.path else ()
        if subject.shape is None:
            return Known(path=path)
        if subject.shape.kind not in ("map", "dyn"):
            issue = f"{_written(subject)} is {_CALLED[subject.shape.kind]}, which has no members"
            raise InvalidExpression("type_error", issue, at)
        shape = subject.shape.member(name)
        if shape is not None:
            return Known(shape.kind, shape, path, certain=True)
        if asked:
            return Known(path=path)
        raise InvalidExpression("unknown_property", _unknown(subject, name), at)

    def _loop(self, node: Node) -> Known:
        over, begins, *body = node.parts
        ranged, begun = self.known(over), self.known(begins)
        self.ends(ranged)
        item = _NOTHING
        if ranged.shape is not None and ranged.shape.kind == "list":
            shape = ranged.shape.item()
            item = Known(shape.kind, shape, certain=True)
        self._loops += [(node.name, item), (node.kept, begun if begun.shape is not None else Known(begins.kind))]
        for part in body:
            self.ends(self.known(part))
        del self._loops[-2:]
        return Known(node.kind)

    def _call(self, node: Node, given: list[Known]) -> Known:
        if node.name in _OPENS:
            return self._index(node, given)
        if node.name in _THROUGH and len(given) == 1:
            return given[0] if node.name == "value" else _NOTHING
        if node.name == "_?_:_":
            return Known(node.kind)
        if node.name in _ARITHMETIC or node.name == "-_":
            self._advise(node, given)
        if not any(each.certain for each in given):
            return Known(node.kind)
        return Known(self._result(node, given), certain=True)

    def _index(self, node: Node, given: list[Known]) -> Known:
        subject, index = given[0], node.parts[1]
        optional = node.name != "_[_]" or node.parts[0].kind == "optional"
        self._opens(subject, tested=optional)
        found = _NOTHING
        if index.text is not None:
            found = self._member(subject, index.text, node.at, asked=False)
        elif subject.shape is not None and subject.shape.kind == "list":
            shape = subject.shape.item()
            found = Known(shape.kind, shape, certain=True)
        return msgspec.structs.replace(found, kind="optional", certain=False) if optional else found

    def _result(self, node: Node, given: list[Known]) -> str:
        kinds = tuple(each.kind for each in given)
        if node.name in _COMPARISONS and (set(kinds) <= _NUMBERS or "null" in kinds):
            return "bool"
        source = _asked(node, len(given))
        if source is None:
            return node.kind
        found = _gives(source, kinds)
        if isinstance(found, str):
            return found
        raise InvalidExpression("type_error", found.issue + _told(given), node.at)

    def _advise(self, node: Node, given: list[Known]) -> None:
        if any(each.kind not in {*_NUMBERS, "dyn"} for each in given):
            return
        for each in given:
            if each.kind == "dyn":
                what = _written(each) if each.path else "a part of it"
                issue = (
                    f"the kind of {what} is not known before a run: use double(x) for a number, string(x) for a text"
                )
                self.advice.append(Advice("untyped", issue, node.at))
                return


def _written(known: Known) -> str:
    return ".".join(known.path) or "this"


def _told(given: list[Known]) -> str:
    """Say of which kinds the paths are that the compiler could not know."""
    told = [f"{_written(each)} is {_CALLED[each.kind]}" for each in given if each.path and each.kind in _CALLED]
    return "".join(f"; {each}" for each in dict.fromkeys(told))


def _unknown(subject: Known, name: str) -> str:
    names = subject.shape.names if subject.shape is not None else []
    issue = f"{_written(subject)} has no property {name}"
    if close := get_close_matches(name, names, 1):
        return f"{issue}; did you mean {close[0]}?"
    if not names:
        return issue
    more = " …" if len(names) > _NAMED_AT_MOST else ""
    return f"{issue}; its schema has {', '.join(names[:_NAMED_AT_MOST])}{more}"


def _asked(node: Node, count: int) -> str | None:
    """Write a call over variables `a0`, `a1` …; None for what can't be written."""
    names = [f"a{number}" for number in range(count)]
    if node.name in _INFIX and count == 2:
        return f"a0 {_INFIX[node.name]} a1"
    if node.name in _PREFIX and count == 1:
        return f"{_PREFIX[node.name]}a0"
    if "@" in node.name or "_" in node.name:
        return None
    return f"a0.{node.name}({', '.join(names[1:])})" if node.on else f"{node.name}({', '.join(names)})"


@lru_cache(maxsize=4096)
def _gives(source: str, kinds: tuple[str, ...]) -> str | InvalidExpression:
    """The kind of result of a call for these kinds, or why there is none."""
    variables = tuple((f"a{number}", kind if kind in engine.KINDS else "any") for number, kind in enumerate(kinds))
    try:
        found = engine.compiled(source, variables).return_type().name()
    except InvalidExpression as error:
        return error
    return str(found).partition("<")[0].lower()
