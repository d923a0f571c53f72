"""The verbs of the audit digest: show it, set it up."""

from typing import Any

from provenance.audit import service as audit
from provenance.core.clock import iso_millis, nanos, utc
from provenance.core.db import ReadTx, WriteTx
from provenance.core.keyring import WorkspaceKeys
from provenance.notifications.digest import queries
from provenance.notifications.digest.schedule import next_run
from provenance.notifications.digest.schemas import Digest, DigestAsked, DigestEvent, Stored
from provenance.notifications.errors import RecipientsNeeded
from provenance.notifications.recipients import opened, sealed


async def get(tx: ReadTx, keys: WorkspaceKeys) -> Digest:
    """Return the workspace's digest; off where it never had one."""
    stored = await queries.digest(tx)
    return _off() if stored is None else _shown(stored, opened(keys, stored.recipients))


async def update(tx: WriteTx, keys: WorkspaceKeys, asked: DigestAsked) -> Digest:
    """Set the digest up; one that is switched on begins with what happens from now on. Raises RecipientsNeeded."""
    if asked.enabled and not asked.recipients:
        raise RecipientsNeeded.at("recipients", "the digest is on and goes to nobody")
    before = await queries.lock(tx)
    values = _columns(asked, keys, tx)
    if asked.enabled and (before is None or not before.enabled):
        values["number"] = await queries.head(tx)
    await queries.put(tx, values)
    shown = asked.model_dump(by_alias=True, mode="json", exclude={"recipients"})
    data = {**shown, "recipients": len(asked.recipients)}
    audit.record(tx, DigestEvent.UPDATED, "audit_digest", data, risk=audit.Risk.MEDIUM)
    return await get(tx, keys)


def run_after(stored: Stored, now: int) -> int | None:
    """Return when a digest is for next (nanoseconds); None when it is off."""
    if not stored.enabled:
        return None
    return nanos(next_run(stored.frequency, stored.hour_utc, stored.timezone, utc(now)))


def _columns(asked: DigestAsked, keys: WorkspaceKeys, tx: WriteTx) -> dict[str, Any]:
    moment = next_run(asked.frequency, asked.hour_utc, asked.timezone, utc(tx.now))
    run_at = nanos(moment) if asked.enabled else None
    return {
        "enabled": asked.enabled,
        "frequency": asked.frequency,
        "recipients": sealed(keys, asked.recipients),
        "risk_levels": [risk.value for risk in asked.risk_levels],
        "hour_utc": asked.hour_utc,
        "timezone": asked.timezone,
        "include_csv": asked.include_csv,
        "run_at": run_at,
        "due_at": run_at,
        "failures": 0,
        "said": None,
        "updated_at": tx.now,
        "updated_by": tx.actor.id,
    }


def _shown(stored: Stored, recipients: list[str]) -> Digest:
    return Digest.model_validate(
        {
            "enabled": stored.enabled,
            "frequency": stored.frequency,
            "recipients": recipients,
            "risk_levels": stored.risk_levels,
            "hour_utc": stored.hour_utc,
            "timezone": stored.timezone,
            "include_csv": stored.include_csv,
            "last_sent_at": None if stored.last_sent_at is None else iso_millis(stored.last_sent_at),
            "next_run_at": None if stored.run_at is None else iso_millis(stored.run_at),
            "last_error": stored.said,
        }
    )


def _off() -> Digest:
    return Digest(**DigestAsked().model_dump(), last_sent_at=None, next_run_at=None, last_error=None)
