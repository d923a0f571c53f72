"""What an expression may do, so that evaluating it costs a known amount.

The engine limits its own loops only loosely (a few hundred characters held it for seconds and gigabytes), and
some plain functions multiply: `replace` ten times over makes 10^10 characters of ten. An expression that is
evaluated inside the server has neither loops nor such functions; its cost is linear in the values.
"""

import re
from typing import Final

from provenance.expressions.errors import InvalidExpression
from provenance.expressions.functions import HEAVY, OWN
from provenance.expressions.pattern import weight
from provenance.expressions.tree import Tree

SOURCE_BYTES: Final = 4096
LOOPS_NESTED: Final = 3

_NODES: Final = 600
_PATTERN_WEIGHT: Final = 100
_LITERAL_CHARACTERS: Final = 256
# Each of these writes what stands before it twice, so that 15 in a row make a tree of 2^15 parts.
_DOUBLING = re.compile(r"\bopt(?:Flat)?Map\b")
_DOUBLING_AT_MOST: Final = 4
_HEAVY_AT_MOST: Final = 8

_OPERATORS: Final = "_&&_ _||_ !_ _?_:_ _==_ _!=_ _<_ _<=_ _>_ _>=_ _+_ _-_ _*_ _/_ _%_ -_ @in _[_] _?._ _[?_] "
_STANDARD: Final = (
    "size startsWith endsWith bool bytes double duration dyn int string timestamp type uint "
    "getDate getDayOfMonth getDayOfWeek getDayOfYear getFullYear getHours getMilliseconds getMinutes "
    "getMonth getSeconds "
)
_EXTENSIONS: Final = (
    "charAt lowerAscii upperAscii substring trim reverse "
    "optional.of optional.none optional.ofNonZeroValue hasValue value or orValue "
    "math.@max math.@min math.ceil math.floor math.round math.trunc math.abs math.sign math.isNaN math.isInf "
    "math.isFinite math.sqrt math.bitAnd math.bitOr math.bitXor math.bitNot math.bitShiftLeft "
    "math.bitShiftRight "
)
LINEAR: Final = frozenset((_OPERATORS + _STANDARD + _EXTENSIONS).split()) | OWN
"""Functions whose cost and result are at most linear in their arguments."""

SEARCHING: Final = frozenset(["contains", "indexOf", "lastIndexOf", "split", "matches"])
"""Functions that are linear only while what they look for is short and known."""


def check_source(source: str) -> None:
    """Refuse a source that is too long or would grow while it is compiled. Raises `InvalidExpression`."""
    try:
        size = len(source.encode())
    except UnicodeEncodeError as error:
        raise InvalidExpression("syntax_error", "half of a surrogate pair is no character", error.start) from None
    if size > SOURCE_BYTES:
        raise InvalidExpression("too_long", f"an expression has at most {SOURCE_BYTES} bytes, not {size}")
    doubling = list(_DOUBLING.finditer(source))
    if len(doubling) > _DOUBLING_AT_MOST:
        issue = f"at most {_DOUBLING_AT_MOST} of optMap and optFlatMap in one expression"
        raise InvalidExpression("too_complex", issue, doubling[_DOUBLING_AT_MOST].start())


def check_loops(tree: Tree) -> None:
    """Refuse comprehensions nested too deep. Raises `InvalidExpression`."""
    if tree.loops > LOOPS_NESTED:
        raise InvalidExpression("too_complex", f"comprehensions are nested at most {LOOPS_NESTED} deep")


def check_values(tree: Tree) -> None:
    """Refuse values that are none of ours: messages, and optional ones that a function of ours could be handed.

    Raises `InvalidExpression`.
    """
    if tree.messages:
        raise InvalidExpression("type_error", "an object is written {'name': value}; messages are not available here")
    used = sorted({call.function for call in tree.calls} & OWN)
    if used and tree.kept_optional:
        issue = (
            f"beside {used[0]} an optional value (.?x, [?x]) is ended on the spot, with orValue(), hasValue() or or()"
        )
        raise InvalidExpression("type_error", issue)


def check_bounded(tree: Tree) -> None:
    """Refuse whatever is not linear in the values it reads. Raises `InvalidExpression`."""
    if tree.loops:
        issue = "comprehensions (all, exists, exists_one, map, filter, optMap) are not available here"
        raise InvalidExpression("unbounded", issue)
    if tree.nodes > _NODES:
        raise InvalidExpression("too_complex", f"at most {_NODES} parts in one expression, not {tree.nodes}")
    if sum(call.function in HEAVY for call in tree.calls) > _HEAVY_AT_MOST:
        raise InvalidExpression(
            "too_complex", f"at most {_HEAVY_AT_MOST} of {', '.join(sorted(HEAVY))} in one expression"
        )
    for call in tree.calls:
        if call.function in SEARCHING:
            _check_search(call.function, call.literal)
        elif call.function not in LINEAR:
            raise InvalidExpression("unbounded", f"the function {call.function} is not available here")


def _check_search(function: str, literal: str | None) -> None:
    if literal is None:
        raise InvalidExpression("unbounded", f"{function} takes a literal text here, not a value")
    if len(literal) > _LITERAL_CHARACTERS:
        issue = f"{function} takes a text of at most {_LITERAL_CHARACTERS} characters here"
        raise InvalidExpression("unbounded", issue)
    if function == "matches" and weight(literal) > _PATTERN_WEIGHT:
        issue = f"this pattern is too large: at most {_PATTERN_WEIGHT} parts, repetitions written out"
        raise InvalidExpression("unbounded", issue)
