"""Conditions in CEL, the Common Expression Language, behind one interface.

Every filter, policy, alert and step condition of the product is one of these: checked when it is saved, and
so bounded in what it may do that it can be evaluated inside the server. Knows no feature and owns no table.

    condition = compile_condition("interaction.total > 100", {"interaction": Type.ANY})
    condition.holds({"interaction": {"total": 750}})

An `Expression` gives any value instead, as JSON: mappings are made of them.

    compile_expression("interaction.total * 2", {"interaction": Type.ANY}).value({"interaction": {"total": 750}})
"""

from provenance.expressions.condition import Condition, compile_condition
from provenance.expressions.errors import ExpressionError, InvalidExpression
from provenance.expressions.evaluator import Evaluator
from provenance.expressions.expression import Expression, Kind, compile_expression
from provenance.expressions.shapes import Shape
from provenance.expressions.types import Type

__all__ = [
    "Condition",
    "Evaluator",
    "Expression",
    "ExpressionError",
    "InvalidExpression",
    "Kind",
    "Shape",
    "Type",
    "compile_condition",
    "compile_expression",
]
