"""The verb of evaluations. Nothing is read or written: the caller brings the scope."""

from collections.abc import Iterator, Mapping
from typing import Any

from provenance.core.errors import Invalid
from provenance.expressions import Evaluator, Expression, ExpressionError, InvalidExpression, Type, compile_expression
from provenance.workflows.evaluation.schemas import Evaluate, Evaluated, Fault
from provenance.workflows.mapping import Node, compile_mapping, resolve_anywhere
from provenance.workflows.plan import SCOPE

_DEEP = {"steps": 2, "approval": 2, "run": 1}
_KINDS = {bool: "bool", int: "int", float: "double", str: "text", list: "list", dict: "object", type(None): "null"}
MOST_VARIABLES = 2000


async def evaluate(evaluator: Evaluator, asked: Evaluate) -> Evaluated:
    """Evaluate an expression or a mapping. Raises Invalid when neither or both are sent."""
    if (asked.expression is None) == (asked.mapping is None):
        raise Invalid.at("expression", "send an expression or a mapping, one of the two")
    scope = dict(_flat(asked.scope))
    if len(scope) > MOST_VARIABLES:
        raise Invalid.at("scope", f"holds more than {MOST_VARIABLES} variables")
    try:
        return _done(await _value(evaluator, asked, scope))
    except _Refused as refused:
        return _failed(refused.fault)
    except ExpressionError as error:
        code = "missing" if error.missing else "evaluation_failed"
        return _failed(Fault(path="", code=code, issue=error.issue, position=None))


class _Refused(Exception):
    def __init__(self, path: str, error: InvalidExpression) -> None:
        super().__init__(error.issue)
        self.fault = Fault(path=path, code=error.code, issue=error.issue, position=error.position)


async def _value(evaluator: Evaluator, asked: Evaluate, scope: Mapping[str, Any]) -> Any:
    variables = _types(scope)
    if asked.expression is not None:
        return await evaluator.value(_compiled(asked.expression, variables), scope)
    node, wrong = compile_mapping(asked.mapping, lambda source: compile_expression(source, variables))
    if wrong:
        raise _Refused(wrong[0].path.removeprefix("."), wrong[0].error)
    found: Node = node
    return await resolve_anywhere(found, scope, evaluator)


def _compiled(source: str, variables: Mapping[str, Type]) -> Expression:
    try:
        return compile_expression(source, variables)
    except InvalidExpression as error:
        raise _Refused("", error) from None


def _types(scope: Mapping[str, Any]) -> dict[str, Type]:
    return SCOPE | {name: SCOPE.get(name, Type.ANY) for name in scope}


def _flat(scope: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Write a nested scope as the dotted variables that expressions read."""
    for name, value in scope.items():
        yield from _dotted(name, value, _DEEP.get(name, 0))


def _dotted(name: str, value: Any, deep: int) -> Iterator[tuple[str, Any]]:
    if deep == 0 or not isinstance(value, Mapping):
        yield name, value
        return
    for member, inner in value.items():
        yield from _dotted(f"{name}.{member}", inner, deep - 1)


def _failed(fault: Fault) -> Evaluated:
    return Evaluated(ok=False, value=None, kind=None, error=fault)


def _done(value: Any) -> Evaluated:
    return Evaluated(ok=True, value=value, kind=_KINDS[type(value)], error=None)
