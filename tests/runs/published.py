"""Workflows that are published as they are written: definitions in short, and where their versions are."""

import uuid
from itertools import pairwise
from typing import Any

from provenance.core.ids import new_uuid
from provenance.runs.library import Live
from provenance.workflows.compiling import compile_definition
from provenance.workflows.plan import Plan


class Published:
    """Published versions in memory."""

    def __init__(self) -> None:
        self.versions: dict[tuple[uuid.UUID, int], Plan] = {}
        self.lives: dict[uuid.UUID, Live] = {}

    def publish(self, document: dict[str, Any], *, of: uuid.UUID | None = None, most: int | None = None) -> uuid.UUID:
        """Publish a definition, as a new workflow or as the next version of one."""
        workflow_id = of or new_uuid()
        version = self.lives[workflow_id].version + 1 if workflow_id in self.lives else 1
        self.versions[workflow_id, version] = compile_definition(document)
        self.lives[workflow_id] = Live(workflow_id, version, "development", most)
        return workflow_id

    async def live(self, workspace_id: uuid.UUID, workflow_id: uuid.UUID) -> Live | None:
        return self.lives.get(workflow_id)

    async def plan(self, workspace_id: uuid.UUID, workflow_id: uuid.UUID, version: int) -> Plan | None:
        return self.versions.get((workflow_id, version))


def definition(*steps: dict[str, Any], edges: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    """Write a definition: a manual trigger `start`, then steps, in a row unless edges say otherwise."""
    trigger = {"key": "start", "kind": "trigger", "config": {"type": "manual"}}
    keys = ["start", *[step["key"] for step in steps]]
    if edges is None:
        edges = list(pairwise(keys))
    written = [edge if isinstance(edge, dict) else {"from": edge[0], "to": edge[1]} for edge in edges]
    return {"schemaVersion": 1, "steps": [trigger, *steps], "edges": written, **more}


def transform(key: str, value: Any, **more: Any) -> dict[str, Any]:
    """Write a step that makes a value."""
    return {"key": key, "kind": "logic", "config": {"mode": "transform", "transform": value}, **more}
