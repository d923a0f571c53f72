"""OCSF 1.8 (Open Cybersecurity Schema Framework) as NDJSON, one event a line; the manifest is an event too.

The row itself, proof included, stands whole in ``unmapped``: what has no place in the schema is not lost.
"""

from typing import Any

from provenance.core.clock import parse_iso
from provenance.ledger.export.formats.contract import decode, encode, proof_of
from provenance.ledger.export.formats.ocsf_classes import (
    ACCOUNT_CHANGE,
    API_ACTIVITY,
    AUTHENTICATION,
    ENTITY_MANAGEMENT,
    OTHER,
    Meaning,
    meaning_of,
)
from provenance.ledger.export.schemas import Exported, Frame, Manifest

VERSION = "1.8.0"
_SEVERITIES = {"low": (2, "Low"), "medium": (3, "Medium"), "high": (4, "High"), "critical": (5, "Critical")}
_STATUSES = {"success": 1, "failure": 2, "denied": 2}
_MILLI = 1_000_000

Event = dict[str, Any]


class Events:
    """Writes OCSF events."""

    def __init__(self, frame: Frame) -> None:
        """Take the frame, for the log and the workspace that events belong to."""
        self._origin, self._workspace = frame.origin, frame.workspace

    def opening(self) -> bytes:
        """Return nothing: the first line is an event."""
        return b""

    def record(self, record: Exported) -> bytes:
        """Return the event of a record."""
        row = decode(record.row)
        (kind, activity), facts = _fitting(row)
        event = {
            **self._base((kind, activity), int(row["occurredAt"]) // _MILLI),
            **facts,
            **_severity(record.risk),
            **_status(row["outcome"]),
            "activity_name": row["actionMnemonic"],
            "message": _message(row),
            "unmapped": {**row, "proof": proof_of(record, row), "risk": record.risk, "domain": record.domain},
        }
        event["metadata"] |= {
            "uid": row["interactionId"],
            "sequence": record.number,
            "correlation_uid": row["uowId"],
            "event_code": f"{row['resourceTypeMnemonic']}.{row['actionMnemonic']}",
            "logged_time": parse_iso(row["recordedDate"]) // _MILLI,
            "original_time": row["createdDate"],
        }
        return encode(event) + b"\n"

    def closing(self, manifest: Manifest) -> bytes:
        """Return the manifest as the event that this export itself is."""
        event = {
            **self._base((API_ACTIVITY, 2), parse_iso(manifest.started_at) // _MILLI),
            **_severity(None),
            "activity_name": "EXPORT",
            "status_id": 1,
            "actor": {"app_name": "Provenance"},
            "api": {"operation": "export"},
            "src_endpoint": {"svc_name": "PLATFORM"},
            "message": f"Export of {manifest.count} interactions",
            "unmapped": {"manifest": manifest},
        }
        return encode(event) + b"\n"

    def _base(self, meaning: Meaning, time: int) -> Event:
        kind, activity = meaning
        return {
            "category_uid": kind.category_uid,
            "category_name": kind.category,
            "class_uid": kind.uid,
            "class_name": kind.name,
            "activity_id": activity,
            "type_uid": kind.uid * 100 + activity,
            "time": time,
            "metadata": {
                "version": VERSION,
                "product": {"name": "Provenance", "vendor_name": "Provenance"},
                "log_name": self._origin,
                "tenant_uid": self._workspace,
            },
        }


def _fitting(row: Event) -> tuple[Meaning, Event]:
    """Return the class of a row and what the class asks for; API Activity when the row does not show that."""
    kind, activity = meaning_of(row["resourceTypeMnemonic"], row["actionMnemonic"], platform=row["platform"])
    shown = row["resourceId"]
    common: Event = {"actor": _actor(row), "src_endpoint": _endpoint(row)}
    if kind is AUTHENTICATION and shown is not None:
        return (kind, activity), {**common, "user": {"uid": row["userId"] or shown}, "service": {"name": "Provenance"}}
    if kind is ACCOUNT_CHANGE and shown is not None:
        return (kind, activity), {**common, "user": {"uid": shown}}
    if kind is ENTITY_MANAGEMENT and shown is not None:
        return (kind, activity), {**common, "entity": {"uid": shown, "type": row["resourceTypeMnemonic"]}}
    activity = activity if kind in (API_ACTIVITY, ENTITY_MANAGEMENT) and activity <= 4 else OTHER
    resources = _resources(row)
    facts = {**common, "api": _api(row), **({"resources": resources} if resources else {})}
    return (API_ACTIVITY, activity), facts


def _actor(row: Event) -> Event:
    """Return who acted: the user on whose account it was done, the credential that recorded it, the origin."""
    actor: Event = {"app_name": row["originMnemonic"]}
    uid = row["userId"] or row["recordedBy"]
    if uid is not None:
        actor["user"] = {"uid": uid}
        if row["recordedBy"] is not None:
            actor["user"]["credential_uid"] = row["recordedBy"]
    if row["onBehalfOf"]:
        actor["invoked_by"] = row["onBehalfOf"][0]
    return actor


def _endpoint(row: Event) -> Event:
    return {"svc_name": row["originMnemonic"], **({"ip": row["ip"]} if row["ip"] else {})}


def _api(row: Event) -> Event:
    return {
        "operation": row["actionMnemonic"],
        "service": {"name": row["originMnemonic"]},
        "group": {"name": row["resourceTypeMnemonic"]},
    }


def _resources(row: Event) -> list[Event]:
    """Return what was acted on: the resource of the row, then the related ones with their role as a label."""
    own = [] if row["resourceId"] is None else [{"uid": row["resourceId"], "type": row["resourceTypeMnemonic"]}]
    related = [
        {"uid": each["resourceId"], "type": each["resourceType"], "labels": [f"role:{each.get('role') or 'affected'}"]}
        for each in row["relatedResources"] or ()
    ]
    return [*own, *related]


def _severity(risk: str | None) -> Event:
    number, name = _SEVERITIES.get(risk or "", (1, "Informational"))
    return {"severity_id": number, "severity": name}


def _status(outcome: str | None) -> Event:
    found: Event = {"status_id": _STATUSES.get(outcome or "", 0)}
    return found if outcome is None else {**found, "status": outcome}


def _message(row: Event) -> str:
    words = [row["actionMnemonic"], row["resourceTypeMnemonic"], row["resourceId"]]
    return " ".join(word for word in words if word is not None)
