"""What a definition refers to must be there when it goes live."""

from typing import Any

from provenance.core.db import ReadTx
from provenance.core.ids import decode
from provenance.workflows import queries
from provenance.workflows.problems import Problem
from provenance.workflows.service import PREFIX


async def missing_references(tx: ReadTx, definition: dict[str, Any]) -> list[Problem]:
    """Name the workflows that a definition starts and that are not there."""
    named = {}
    steps = definition.get("steps", [])
    for index, step in enumerate(steps if isinstance(steps, list) else []):
        config = step.get("config") if isinstance(step, dict) and step.get("kind") == "workflow" else None
        if isinstance(config, dict) and isinstance(config.get("workflowId"), str):
            named[f"steps[{index}].config.workflowId"] = decode(PREFIX, config["workflowId"])
    known = await queries.existing(tx, [each for each in named.values() if each is not None]) if named else set()
    return [Problem(at, "unknown_workflow", "names no workflow") for at, each in named.items() if each not in known]
