"""A bridge as it is shown."""

from base64 import b64encode

from provenance.bus.bridges.schemas import (
    DEAD_PREFIX,
    PREFIX,
    Bridge,
    BridgeDeadLetter,
    DeadLetter,
    Row,
    Standing,
    State,
)
from provenance.bus.messages.schemas import PREFIX as MESSAGE
from provenance.core.clock import iso_millis
from provenance.core.ids import encode


def shown(row: Row, state: State, now: int) -> Bridge:
    """Return a bridge and how it is doing."""
    rule = row.input
    return Bridge(
        bridge_id=encode(PREFIX, row.id),
        name=row.name,
        direction=rule.direction,
        server=rule.server,
        stream=rule.stream,
        consume=rule.consume,
        publish=rule.publish,
        status="paused" if row.status == "paused" else "error" if state.failures else "active",
        standing=_standing(row, state, now),
        created_at=iso_millis(row.created_at),
        created_by=row.created_by,
        updated_at=iso_millis(row.updated_at),
        updated_by=row.updated_by,
    )


def _standing(row: Row, state: State, now: int) -> Standing:
    held = state.lease is not None and state.leased_until > now
    waits = state.failures > 0 and not held and row.status == "active"
    return Standing(
        connected=state.connected and held,
        lag=state.lag,
        passed=state.passed,
        repeated=state.repeated,
        expired=state.expired,
        dead_lettered=state.dead,
        number=state.number if row.direction == "publish" else None,
        failures_in_a_row=state.failures,
        said=state.said,
        failed_at=_moment(state.failed_at),
        passed_at=_moment(state.passed_at),
        next_attempt_at=iso_millis(state.due_at) if waits else None,
    )


def dead_letter_shown(dead: DeadLetter) -> BridgeDeadLetter:
    """Return a dead letter with its payload."""
    return BridgeDeadLetter(
        dead_letter_id=encode(DEAD_PREFIX, dead.id),
        subject=dead.subject,
        headers=dead.headers,
        payload_bytes=dead.payload_bytes,
        payload_base64=None if dead.payload is None else b64encode(dead.payload).decode(),
        msg_id=None if dead.message_id is None else encode(MESSAGE, dead.message_id),
        code=dead.code,
        said=dead.said,
        at=iso_millis(dead.at),
    )


def _moment(ns: int | None) -> str | None:
    return None if ns is None else iso_millis(ns)
