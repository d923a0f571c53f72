"""The verbs of reviews."""

from typing import Any

from provenance.core.db import ReadTx
from provenance.workflows import drafts, queries
from provenance.workflows.compiling import check
from provenance.workflows.errors import UnknownWorkflow
from provenance.workflows.kinds import Risk
from provenance.workflows.problems import Problem
from provenance.workflows.review import comparing
from provenance.workflows.review.coverage import Rule, reaches
from provenance.workflows.review.schemas import Review, RiskWord
from provenance.workflows.service import row_of
from provenance.workflows.versions.references import missing_references
from provenance.workspace import service as workspaces

LIVE = "live"


async def of_draft(tx: ReadTx, wire_id: str, against: str, risk: RiskWord, by: str | None) -> Review:
    """Compare the draft with the live version, or another. Raises UnknownWorkflow for one that is not there."""
    row = await row_of(tx, wire_id)
    return await _review(tx, row, drafts.read_stored(row.draft), against, await _rule(tx, risk, by))


async def of_version(tx: ReadTx, wire_id: str, version: int, against: str, risk: RiskWord, by: str | None) -> Review:
    """Compare a published version with the live one, or another. Raises UnknownWorkflow."""
    row = await row_of(tx, wire_id)
    definition = await _definition(tx, row, version)
    return await _review(tx, row, definition, against, await _rule(tx, risk, by))


async def _rule(tx: ReadTx, risk: RiskWord, by: str | None) -> Rule:
    return Rule(Risk.of(risk), by, await workspaces.default_approvers(tx))


async def _definition(tx: ReadTx, row: Any, version: int) -> dict[str, Any]:
    stored = await queries.version_of(tx, row.id, version)
    if stored is None:
        raise UnknownWorkflow(f"This workflow has no version {version}.")
    return drafts.read_stored(stored.definition)


async def _review(tx: ReadTx, row: Any, definition: dict[str, Any], against: str, rule: Rule) -> Review:
    number = row.live_version if against == LIVE else int(against)
    before = None if number is None else check(await _definition(tx, row, number)).plan
    checked = check(definition)
    problems = [*checked.problems, *await missing_references(tx, definition)]
    found = reaches(checked.plan, rule) if checked.plan else []
    escapes = [Problem(f"steps.{each.step}", "ungated", each.sentence) for each in found if each.path]
    return Review(
        against=number,
        graph=comparing.graph(before, checked.plan),
        powers=comparing.powers(before, checked.plan),
        gates=comparing.gates(before, checked.plan),
        coverage=[comparing.coverage(each) for each in found],
        blocking=drafts.shown([*problems, *escapes]),
    )
