"""Routes of reviews (spec/automation.md, 4.15)."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from provenance.core.actor import Actor, Role, Scope
from provenance.core.routing import Db, Route, require
from provenance.workflows.review import service
from provenance.workflows.review.schemas import Review, RiskWord

router = APIRouter(route_class=Route, tags=["workflows"])

Editor = Annotated[Actor, require(Scope.WORKFLOWS_READ, Role.EDITOR)]
Against = Annotated[str, Query(pattern=r"^(live|[1-9][0-9]{0,8})$", description="The live version, or a number.")]
Least = Annotated[RiskWord, Query(alias="risk", description="Effects of at least this risk need a gate.")]
By = Annotated[
    str | None,
    Query(pattern=r"^(user|role|group):[A-Za-z0-9_-]{1,64}$", description="Whose approval counts; left out: any."),
]


@router.get("/workflows/{workflow_id}/draft/review", operation_id="review.draft")
async def draft(
    workflow_id: str, actor: Editor, db: Db, against: Against = "live", risk: Least = "high", by: By = None
) -> Review:
    """What the draft may do that a version may not, and which effects no approval stands before."""
    async with db.read(actor) as tx:
        return await service.of_draft(tx, workflow_id, against, risk, by)


@router.get("/workflows/{workflow_id}/versions/{version}/review", operation_id="review.version")
async def version(
    workflow_id: str,
    version: Annotated[int, Path(ge=1, le=2**31 - 1)],
    actor: Editor,
    db: Db,
    against: Against = "live",
    risk: Least = "high",
    by: By = None,
) -> Review:
    """What a published version may do that another may not."""
    async with db.read(actor) as tx:
        return await service.of_version(tx, workflow_id, version, against, risk, by)
