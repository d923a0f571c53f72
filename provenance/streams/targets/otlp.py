"""OpenTelemetry logs over OTLP/HTTP in its JSON form: one log record an event."""

from typing import Any

import msgspec

from provenance.audit.schemas import Event
from provenance.core.clock import now_ns, parse_iso
from provenance.core.egress import Egress
from provenance.streams.shapes import Otlp
from provenance.streams.targets.contract import Batch, Receipt, Secrets
from provenance.streams.targets.posting import post

SEVERITIES = {"low": (9, "INFO"), "medium": (13, "WARN"), "high": (17, "ERROR"), "critical": (21, "FATAL")}
_ATTRIBUTES = {
    "provenance.event.id": "event_id",
    "provenance.event.risk": "risk",
    "provenance.event.domain": "domain",
    "provenance.event.outcome": "outcome",
    "provenance.actor.id": "actor_id",
    "provenance.actor.kind": "actor_kind",
    "provenance.object.kind": "object_kind",
    "provenance.object.id": "object_id",
    "provenance.run.id": "run_id",
    "provenance.mac": "mac",
    "client.address": "ip",
    "user_agent.original": "user_agent",
}


class OtlpTarget:
    """One collector, and the headers that it wants."""

    def __init__(self, shape: Otlp, secrets: Secrets, egress: Egress) -> None:
        """Take what was configured, and the way out."""
        base = shape.url.rstrip("/")
        self._url = base if base.endswith("/v1/logs") else f"{base}/v1/logs"
        self._service = shape.service_name
        self._headers = {**secrets.values, "content-type": "application/json"}
        self._egress = egress

    async def deliver(self, batch: Batch) -> Receipt:
        """Send a batch; records that the collector says it threw away are counted, never sent again, as OTLP wants."""
        records = [_record(each) for each in batch.events]
        resource = {"service.name": self._service, "provenance.workspace": batch.workspace}
        scope = {"scope": {"name": "provenance.audit"}, "logRecords": records}
        body = {"resourceLogs": [{"resource": {"attributes": _attributes(resource)}, "scopeLogs": [scope]}]}
        reply = await post(self._egress, self._url, self._headers, msgspec.json.encode(body))
        refused, why = _partial(reply.body)
        if refused:
            return Receipt(f"The collector threw {refused} of {len(records)} records away: {why}", refused)
        return Receipt(f"The collector took {len(records)} records.")


def _record(event: Event) -> dict[str, Any]:
    number, text = SEVERITIES.get(event.risk or "low", SEVERITIES["low"])
    values: dict[str, Any] = {name: getattr(event, field) for name, field in _ATTRIBUTES.items()}
    values["provenance.event.seq"] = event.seq
    return {
        "timeUnixNano": str(parse_iso(event.at)),
        "observedTimeUnixNano": str(now_ns()),
        "severityNumber": number,
        "severityText": text,
        "eventName": event.event_type,
        "body": {"stringValue": event.model_dump_json(by_alias=True)},
        "attributes": _attributes(values),
    }


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in values.items() if value is not None]


def _value(value: Any) -> dict[str, str]:
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": str(value)}


def _partial(answer: bytes) -> tuple[int, str]:
    """Return how many records an answer says were thrown away, and why; 64-bit numbers may stand as texts."""
    try:
        said = msgspec.json.decode(answer or b"{}", type=dict[str, Any]).get("partialSuccess") or {}
        return int(said.get("rejectedLogRecords") or 0), str(said.get("errorMessage") or "no reason given")
    except (msgspec.MsgspecError, ValueError, TypeError, AttributeError):
        return 0, ""
