"""Route of evaluations (spec/automation.md, 4.15)."""

from typing import Annotated

from fastapi import APIRouter

from provenance.core.actor import Actor, Role, Scope
from provenance.core.routing import Route, require
from provenance.workflows.dependencies import RunningEvaluator
from provenance.workflows.evaluation import service
from provenance.workflows.evaluation.schemas import Evaluate, Evaluated

router = APIRouter(route_class=Route, tags=["expressions"])


@router.post("/expressions/evaluate", operation_id="expressions.evaluate")
async def evaluate(
    body: Evaluate,
    actor: Annotated[Actor, require(Scope.WORKFLOWS_READ, Role.EDITOR)],
    evaluator: RunningEvaluator,
) -> Evaluated:
    """What an expression or a mapping gives for a scope; for editors."""
    return await service.evaluate(evaluator, body)
