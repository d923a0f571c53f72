"""Figures of the bridges for Prometheus, read when somebody asks: workers have no address to be asked at."""

from prometheus_client import Gauge

from provenance.bus.bridges import queries
from provenance.bus.bridges.schemas import PREFIX
from provenance.core.db import Database
from provenance.core.ids import encode

_LABELS = ["bridge", "direction"]
LAG = Gauge("provenance_bridge_lag", "Messages still to go over a bridge, when a worker last looked.", _LABELS)
FAILURES = Gauge("provenance_bridge_failures", "Failures in a row of a bridge: anything but 0 is an error.", _LABELS)
PASSED = Gauge("provenance_bridge_passed", "Messages that went over a bridge since it was made.", _LABELS)
DEAD = Gauge("provenance_bridge_dead_lettered", "Messages that could not go over a bridge as they were.", _LABELS)


async def measure(db: Database) -> None:
    """Set the figures of every bridge of the installation; those of deleted ones end."""
    async with db.housekeeping() as tx:
        rows = await queries.figures(tx)
    for gauge in (LAG, FAILURES, PASSED, DEAD):
        gauge.clear()
    for bridge_id, direction, lag, failures, passed, dead in rows:
        labels = (encode(PREFIX, bridge_id), direction)
        for gauge, value in ((LAG, lag), (FAILURES, failures), (PASSED, passed), (DEAD, dead)):
            gauge.labels(*labels).set(value)
