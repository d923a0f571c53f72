"""What a definition refers to must be there when it goes live, and skills are pinned to what they are then."""

from collections.abc import Iterator
from typing import Any

from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import decode, encode
from provenance.datastores import service as datastores
from provenance.datastores.service import Referrer
from provenance.skills import service as skills
from provenance.workflows import queries
from provenance.workflows.problems import Problem
from provenance.workflows.service import PREFIX

REFERRER = "workflow"
"""What skills and datastores call a workflow that calls them."""


async def missing_references(tx: ReadTx, definition: dict[str, Any]) -> list[Problem]:
    """Name the workflows and skills that a definition calls and that are not there, or can't be called."""
    named = {at: decode(PREFIX, found) for at, found in _named(definition, "workflow", "workflowId")}
    known = await queries.existing(tx, [each for each in named.values() if each is not None]) if named else set()
    problems = [Problem(at, "unknown_workflow", "names no workflow") for at, each in named.items() if each not in known]
    called = dict(_named(definition, "skill", "skillId"))
    unknown = await skills.unknown(tx, called.values()) if called else set()
    problems += [
        Problem(at, "unknown_skill", "names no skill that can be called")
        for at, each in called.items()
        if each in unknown
    ]
    return problems


async def pin(tx: WriteTx, row: Any, version: int, definition: dict[str, Any]) -> None:
    """Note which versions of skills a workflow's version calls, and its datastores, now that it goes live."""
    called = {skill_id for _, skill_id in _named(definition, "skill", "skillId")}
    await skills.pin(tx, REFERRER, encode(PREFIX, row.id), version, called)
    stores = {each for kind in ("storage", "data") for _, each in _named(definition, kind, "datastoreId")}
    await datastores.refer(tx, stores, Referrer(REFERRER, encode(PREFIX, row.id)))


async def release(tx: WriteTx, row: Any) -> None:
    """Note that no version of a workflow is live: the skills and datastores it called may be deleted."""
    await skills.release(tx, REFERRER, encode(PREFIX, row.id))
    await datastores.refer(tx, [], Referrer(REFERRER, encode(PREFIX, row.id)))


def _named(definition: dict[str, Any], kind: str, member: str) -> Iterator[tuple[str, str]]:
    """Yield what the steps of a kind name in a member of their configuration, with its path."""
    steps = definition.get("steps", [])
    for index, step in enumerate(steps if isinstance(steps, list) else []):
        config = step.get("config") if isinstance(step, dict) and step.get("kind") == kind else None
        if isinstance(config, dict) and isinstance(config.get(member), str):
            yield f"steps[{index}].config.{member}", config[member]
