"""What a definition refers to must be there when it goes live, and stays while it is.

Skills are pinned to what they are then; connections, secrets and datastores can't be deleted.
"""

from collections.abc import Iterator
from typing import Any

from provenance.connections import service as connections
from provenance.connections import uses
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import decode, encode
from provenance.datastores import service as datastores
from provenance.datastores.service import Referrer
from provenance.secrets import service as secrets
from provenance.secrets.schemas import Purpose
from provenance.skills import service as skills
from provenance.workflows import queries
from provenance.workflows.problems import Problem
from provenance.workflows.releasing import REFERRER
from provenance.workflows.service import PREFIX


async def missing_references(tx: ReadTx, definition: dict[str, Any]) -> list[Problem]:
    """Name what a definition works with and what is not there: workflows, skills, connections, secrets."""
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
    return [*problems, *await _missing_credentials(tx, definition)]


async def _missing_credentials(tx: ReadTx, definition: dict[str, Any]) -> list[Problem]:
    found = []
    for what, member, unknown in (
        ("connection", "connectionId", uses.unknown),
        ("secret", "secretId", secrets.unknown),
    ):
        named = dict(_named(definition, None, member))
        gone = await unknown(tx, named.values()) if named else set()
        found += [Problem(at, f"unknown_{what}", f"names no {what}") for at, each in named.items() if each in gone]
    return found


async def pin(tx: WriteTx, row: Any, version: int, definition: dict[str, Any]) -> None:
    """Note which versions of skills a workflow's version calls, and what else it works with, now that it goes live."""
    called = {skill_id for _, skill_id in _named(definition, "skill", "skillId")}
    await skills.pin(tx, REFERRER, encode(PREFIX, row.id), version, called)
    stores = {each for kind in ("storage", "data") for _, each in _named(definition, kind, "datastoreId")}
    await datastores.refer(tx, stores, Referrer(REFERRER, encode(PREFIX, row.id)))
    user = Purpose(REFERRER, encode(PREFIX, row.id))
    await connections.refer(tx, [each for _, each in _named(definition, None, "connectionId")], user)
    await secrets.refer_to(tx, [each for _, each in _named(definition, None, "secretId")], user)


def _named(definition: dict[str, Any], kind: str | None, member: str) -> Iterator[tuple[str, str]]:
    """Yield what the steps of a kind, or of any, name in a member of their configuration, with its path."""
    steps = definition.get("steps", [])
    for index, step in enumerate(steps if isinstance(steps, list) else []):
        config = step.get("config") if isinstance(step, dict) and kind in (None, step.get("kind")) else None
        if isinstance(config, dict) and isinstance(config.get(member), str):
            yield f"steps[{index}].config.{member}", config[member]
