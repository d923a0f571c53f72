"""A subscription as it is shown."""

import uuid
from typing import Literal

from provenance.bus.deliveries.backoff import CIRCUIT_FAILURES
from provenance.bus.deliveries.schemas import TargetRow
from provenance.bus.subscriptions.schemas import (
    MASK,
    DeadLetter,
    DeliveryRules,
    Inbound,
    Row,
    Stats,
    Subscription,
    Target,
)
from provenance.bus.subscriptions.sealing import public_key
from provenance.core.clock import iso_millis
from provenance.core.ids import encode
from provenance.core.keyring import WorkspaceKeys


def shown(workspace_id: uuid.UUID, keys: WorkspaceKeys, row: Row, target: TargetRow | None, open_: int) -> Subscription:
    """Return a subscription without its secrets."""
    inbound = row.direction == "inbound"
    return Subscription(
        subscription_id=row.id,
        workspace_id=encode("ws", workspace_id),
        name=row.name,
        direction="inbound" if inbound else "outbound",
        topic_pattern=row.topic_pattern,
        filter=row.filter,
        target=None if inbound else _target(row),
        inbound=Inbound.model_validate(row.target) if inbound else None,
        delivery=DeliveryRules.model_validate(row.delivery),
        dead_letter=DeadLetter.model_validate(row.dead_letter),
        status=_status(row, target),
        stats=None if target is None else _stats(target, open_),
        signing_public_key=public_key(keys) if row.kind == "webhook" else None,
        inbound_path=f"/bus/inbound/{row.id}" if inbound else None,
        created_at=iso_millis(row.created_at),
        created_by=row.created_by,
        updated_at=iso_millis(row.updated_at),
        updated_by=row.updated_by,
    )


def _target(row: Row) -> Target:
    return Target.model_validate({**row.target, "headers": dict.fromkeys(row.target["headers"], MASK)})


def _status(row: Row, target: TargetRow | None) -> Literal["active", "paused", "error"]:
    if row.status == "paused":
        return "paused"
    return "error" if target is not None and target.failures >= CIRCUIT_FAILURES else "active"


def _stats(target: TargetRow, open_: int) -> Stats:
    return Stats(
        open=open_,
        delivered=target.delivered,
        retried=target.retried,
        dead_lettered=target.dead,
        failures_in_a_row=target.failures,
        said=target.said,
        failed_at=_moment(target.failed_at),
        delivered_at=_moment(target.delivered_at),
        resumes_at=_moment(target.closed_until or None),
    )


def _moment(ns: int | None) -> str | None:
    return None if ns is None else iso_millis(ns)
