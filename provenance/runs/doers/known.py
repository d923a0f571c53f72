"""Steps whose outcome is rid of what the workspace knows as secret: `connections.known` says why."""

from typing import Any

import msgspec

from provenance.connections.known import Known
from provenance.runs.doers.contract import Call, Outside
from provenance.runs.interpreting.results import Done, Failed, Park, Result
from provenance.secrets.masking import Mask


class Masked:
    """A kind of step whose outcome is rid of what the workspace knows as secret."""

    def __init__(self, doer: Outside, known: Known) -> None:
        """Take what carries the kind out."""
        self._doer = doer
        self._known = known

    def waits(self, call: Call) -> Park | None:
        """As the kind does."""
        return self._doer.waits(call)

    def resume(self, call: Call, outcome: Any) -> Result:
        """As the kind does: outcomes of waits are made within the platform."""
        return self._doer.resume(call, outcome)

    async def perform(self, call: Call) -> Result:
        """Carry it out, once it is clear what is secret: afterwards nobody might say."""
        mask = await self._known.mask(call.workspace_id, now="skillId" in call.config)
        result = await self._doer.perform(call)
        return result if isinstance(result, Park) else await _masked(mask, result)


async def _masked(mask: Mask, result: Done | Failed) -> Result:
    if not mask.forms:
        return result
    said: list[Any] = [result.output] if isinstance(result, Done) else [result.message, result.detail]
    said.append(result.logs)
    found = await mask.json_aside(said)
    if found is said:
        return result
    *rest, logs = found
    if isinstance(result, Done):
        return msgspec.structs.replace(result, output=rest[0], logs=logs)
    return msgspec.structs.replace(result, message=rest[0], detail=rest[1], logs=logs)
