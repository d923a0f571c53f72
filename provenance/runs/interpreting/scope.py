"""What expressions of a run may read, and their values (spec/automation.md, 6.4)."""

from collections.abc import Mapping
from typing import Any

from provenance.expressions import Expression, ExpressionError
from provenance.workflows.mapping import Node, value_of
from provenance.workflows.plan import scope_of_gate, scope_of_step


class NotBounded(Exception):
    """An expression belongs into a process that can be stopped; its value is to be put into the scope's memory."""

    def __init__(self, expression: Expression, values: dict[str, Any], place: str) -> None:
        super().__init__(expression.source)
        self.expression = expression
        self.values = values
        self.place = place


class Scope:
    """The variables of one run. What was evaluated outside is remembered, so that asking again finds it."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        """Take what every expression may read."""
        self._values = dict(values)
        self._known: dict[tuple[Expression, str], Any] = {}

    def add_step(self, key: str, status: str, output: Any, error: Any = None, *, gate: bool = False) -> None:
        """Bring a resolved step into scope, and what people decided when it is a gate."""
        self._values.update(scope_of_step(key, status=status, output=output, error=error))
        if gate:
            self._values.update(scope_of_gate(key, output))

    def get(self, name: str) -> Any:
        """Return one variable. Raises KeyError."""
        return self._values[name]

    def evaluate(self, expression: Expression, further: Mapping[str, Any] | None = None) -> Any:
        """Return the value of an expression. Raises ExpressionError, NotBounded."""
        values = self._values if not further else {**self._values, **further}
        if expression.bounded:
            return expression.value(values)
        place = repr(further)
        if (expression, place) not in self._known:
            raise NotBounded(expression, {name: values[name] for name in expression.reads if name in values}, place)
        found = self._known[expression, place]
        if isinstance(found, Exception):
            raise found
        return found

    def remember(self, pending: NotBounded, found: Any) -> None:
        """Keep what an expression that is not bounded gave: a value, or the ExpressionError."""
        self._known[pending.expression, pending.place] = found

    def holds(self, expression: Expression, further: Mapping[str, Any] | None = None) -> bool:
        """Tell whether a condition is true. Raises ExpressionError when it is neither true nor false, NotBounded."""
        found = self.evaluate(expression, further)
        if found is True or found is False:
            return found
        raise ExpressionError("the condition gives neither true nor false")

    def resolve(self, node: Node, further: Mapping[str, Any] | None = None) -> Any:
        """Return the value of a mapping. Raises ExpressionError, NotBounded."""
        return value_of(node, lambda expression: self.evaluate(expression, further))
