"""Calling skills: the one way for routes, steps and agents.

Input is checked before any code runs; secrets are fetched, and their use recorded; the call runs in the sandbox with
its way out; what comes back is masked, checked against the output schema, and recorded as `skill.executed`.
"""

import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from provenance.audit import service as audit
from provenance.connections.running import Connections
from provenance.core.actor import Actor
from provenance.core.egress import Egress
from provenance.core.errors import Detail
from provenance.core.json_schemas import schema_of
from provenance.core.objects import Objects
from provenance.ledger.service import Fact, Ledger, record
from provenance.secrets import service as secrets
from provenance.secrets.masking import Mask
from provenance.secrets.schemas import Purpose
from provenance.skills import queries, service
from provenance.skills.errors import InputRefused
from provenance.skills.sandbox.level import name as level_name
from provenance.skills.sandbox.runner import Sandbox
from provenance.skills.sandbox.schemas import Job, LogLine, Outcome, Runtime
from provenance.skills.schemas import Egress as EgressRule
from provenance.skills.schemas import Limits, PackageRow, Row, SkillEvent, VersionRow
from provenance.skills.unpacked import FOLDER, Unpacked
from provenance.skills.way_out import WayOut

DOMAIN = "agent"
"""The domain of events about skills (spec/automation.md, 11.3)."""


class Unit(NamedTuple):
    """The unit of work that a call belongs to, and the span below which it hangs: a run and its step."""

    id: uuid.UUID
    span_id: str


class Call(NamedTuple):
    """What is to be called, by whom, with what. ``seconds`` is less than the skill's own limit, or None.

    ``data`` goes into the record of the call, which belongs to ``unit``; ``headers`` are put on all that the skill
    sends. ``idempotency_key`` is the same whenever this very call is made again.
    """

    actor: Actor
    skill_id: str
    version: int | None
    input: Any
    seconds: float | None = None
    idempotency_key: str | None = None
    unit: "Unit | None" = None
    data: Mapping[str, Any] = {}
    headers: Mapping[str, str] = {}
    on_log: Callable[[LogLine], None] | None = None


class Called(NamedTuple):
    """What became of it."""

    skill_id: str
    version: int
    outcome: Outcome


class Skills:
    """The skills of one process: its sandbox and what calls need beside it."""

    def __init__(self, ledger: Ledger, objects: Objects, egress: Egress, connections: Connections) -> None:
        """Take the running ledger, the object store, and the ways out. Nothing is started before the first call."""
        settings = ledger.settings
        self.sandbox = Sandbox(slots=settings.skill_slots, unconfined=settings.skills_unconfined)
        self.objects = objects
        self._ledger = ledger
        self._egress = egress
        self._connections = connections
        self._unpacked = Unpacked(objects, settings.data_dir / FOLDER)

    async def call(self, call: Call) -> Called:
        """Call a skill and record that it was.

        Raises SkillNotFound, SkillVersionNotFound, NoActivePackage, SkillDisabled, InputRefused,
        RuntimeUnavailable, SandboxBusy and what secrets and the object store raise. What goes wrong once the code
        was begun is in the outcome.
        """
        async with self._ledger.db.read(call.actor) as tx:
            row, version = await service.callable_version(tx, call.skill_id, call.version)
            package = await queries.package(tx, version.package_id)
        assert package is not None, "a version keeps its package"
        _ensure_fits(version, call.input)
        server = await self.sandbox.server(Runtime(version.runtime))
        values, mask = await self._secrets(call.actor, version)
        async with self._unpacked.of(call.actor.workspace_id, package) as folder:
            job = _job(version, folder, call, values, mask)
            outcome = masked(await self.sandbox.run(job, self._way_out(call, version, job.seconds)), mask)
        outcome = _checked(version, outcome)
        await self._record(call, row, version, package, outcome, level_name(server.level))
        return Called(row.wire_id, version.version, outcome)

    async def runtime_version(self, runtime: Runtime) -> str:
        """Return which version of a runtime this machine has. Raises RuntimeUnavailable."""
        return (await self.sandbox.server(runtime)).version

    async def close(self) -> None:
        """End every call and what runs them."""
        await self.sandbox.close()

    async def _secrets(self, actor: Actor, version: VersionRow) -> tuple[dict[str, str], Mask]:
        """Return the values that the skill names, and what takes them out of what it writes."""
        if not version.secret_refs:
            return {}, Mask([])
        keys = await self._ledger.keyring.of(actor.workspace_id)
        purpose = Purpose(service.KIND, version.wire_id)
        async with self._ledger.db.write(actor) as tx:
            used = {name: await secrets.use(tx, keys, name, purpose) for name in version.secret_refs}
        values = [value for each in used.values() for value in (each.value, *each.also_valid)]
        return {name: each.text for name, each in used.items()}, Mask(values)

    def _way_out(self, call: Call, version: VersionRow, seconds: float) -> Any:
        rule = EgressRule.model_validate(version.egress)
        if rule.mode == "none" and version.connection_id is None:
            return None
        return WayOut(
            self._egress,
            self._connections,
            call.actor,
            Purpose(service.KIND, version.wire_id),
            hosts=tuple(rule.hosts),
            connection_id=version.connection_id,
            seconds=seconds,
            headers=call.headers,
        ).serve

    async def _record(
        self, call: Call, row: Row, version: VersionRow, package: PackageRow, outcome: Outcome, level: str
    ) -> None:
        data = {
            "name": row.name,
            "version": version.version,
            "packageSha256": package.sha256.hex(),
            "sandbox": level,
            "durationMs": round(outcome.duration_ms),
            **call.data,
        }
        if outcome.error is not None:
            data["error"] = outcome.error["code"]
        resource_type, action = audit.words_of(SkillEvent.EXECUTED)
        fact = Fact(
            resource_type=resource_type,
            action=action,
            resource_id=row.wire_id,
            data=data,
            risk=row.risk_level,
            outcome="success" if outcome.error is None else "failure",
            domain=DOMAIN,
            uow_id=None if call.unit is None else str(call.unit.id),
            parent_span_id=None if call.unit is None else call.unit.span_id,
        )
        async with self._ledger.db.write(call.actor) as tx:
            record(tx, fact)


def _ensure_fits(version: VersionRow, given: Any) -> None:
    faults = schema_of(version.input_schema).faults(given, "input")
    if faults:
        raise InputRefused(f"{faults[0]['path']}: {faults[0]['issue']}", details=faults)


def _job(version: VersionRow, folder: Path, call: Call, values: dict[str, str], mask: Mask) -> Job:
    limits = Limits.model_validate(version.limits)
    on_log = call.on_log
    return Job(
        runtime=Runtime(version.runtime),
        package=folder,
        entry=version.handler,
        input=call.input,
        secrets=values,
        idempotency_key=call.idempotency_key,
        seconds=limits.timeout_seconds if call.seconds is None else min(call.seconds, limits.timeout_seconds),
        memory_mb=limits.memory_mb,
        private_mb=limits.tmp_mb,
        cpu=limits.cpu,
        on_log=None if on_log is None else lambda line: on_log(masked_line(line, mask)),
    )


def masked(outcome: Outcome, mask: Mask) -> Outcome:
    """Return an outcome without the values of the secrets that the skill was handed."""
    error = outcome.error
    return Outcome(
        output=mask.json(outcome.output),
        error=None if error is None else {"code": error["code"], "message": mask.text(error["message"])},
        logs=[masked_line(line, mask) for line in outcome.logs],
        duration_ms=outcome.duration_ms,
        cpu_ms=outcome.cpu_ms,
        peak_kb=outcome.peak_kb,
    )


def masked_line(line: LogLine, mask: Mask) -> LogLine:
    """Return a line without values of secrets."""
    return LogLine(line.at, line.level, mask.text(line.message))


def _checked(version: VersionRow, outcome: Outcome) -> Outcome:
    """Return an outcome whose output fits the skill's schema, or the error that it does not."""
    if outcome.error is not None or version.output_schema is None:
        return outcome
    faults: list[Detail] = schema_of(version.output_schema).faults(outcome.output, "output")
    if not faults:
        return outcome
    error = {"code": "output_schema", "message": f"{faults[0]['path']}: {faults[0]['issue']}"}
    return Outcome(
        error=error,
        logs=outcome.logs,
        duration_ms=outcome.duration_ms,
        cpu_ms=outcome.cpu_ms,
        peak_kb=outcome.peak_kb,
    )
