"""Following with the database in between against the same windows in memory: random rows in random chunks.

What is kept between two chunks, and how often somebody looks whether time has passed, must change nothing.
"""

import json
import random
import uuid
from typing import Any

import pytest

from provenance.alerts import following, queries
from provenance.alerts.previewing import Trial
from provenance.alerts.programs import Program
from provenance.alerts.schemas import PREFIX, Rule
from provenance.core import ids
from provenance.core.clock import NANOS, iso_millis
from provenance.ledger.feed import Row
from tests.alerts.conftest import Place

RULES: dict[str, dict[str, Any]] = {
    "count": {"window": {"kind": "count", "atLeast": 3, "withinSeconds": 10}, "groupBy": "userId"},
    "above": {"window": {"kind": "rate", "above": 10, "withinSeconds": 20}, "recoverAfterSeconds": 3},
    "below": {"window": {"kind": "rate", "below": 10, "withinSeconds": 20}, "groupBy": "userId"},
    "absence": {"window": {"kind": "absence", "withinSeconds": 5}, "groupBy": "userId", "recoverAfterSeconds": 0},
    "silence": {"window": {"kind": "absence", "withinSeconds": 3}, "filter": "userId != 'ada'"},
    "sequence": {
        "window": {"kind": "sequence", "number": "interaction.n", "withinSeconds": 5},
        "groupBy": "userId",
    },
    "before": {
        "window": {
            "kind": "without",
            "other": {"filter": "interaction.n > 8"},
            "direction": "before",
            "withinSeconds": 10,
        },
        "filter": "interaction.n < 4",
        "groupBy": "userId",
    },
    "after": {
        "window": {
            "kind": "without",
            "other": {"filter": "interaction.n > 6"},
            "direction": "after",
            "withinSeconds": 5,
        },
        "filter": "interaction.n < 4",
        "groupBy": "userId",
    },
}
SECONDS = 120
ROWS = 80


def rows(chance: random.Random, begun: int, first: int) -> list[Row]:
    """Make rows up: of four people, at whole seconds."""
    found = []
    for number, second in enumerate(sorted(chance.randrange(1, SECONDS) for _ in range(ROWS)), first):
        at, content = begun + second * NANOS, {"interaction": {"n": chance.randrange(1, 12)}}
        values = dict.fromkeys(Row._fields)
        found.append(
            Row(
                **values
                | {
                    "workspace_id": uuid.UUID(int=0),
                    "number": number,
                    "id": uuid.UUID(int=number),
                    "user_id": chance.choice(["ada", "bob", "eve", "kim"]),
                    "uow_id": uuid.UUID(int=0),
                    "occurred_at": at,
                    "recorded_at": at,
                    "platform": False,
                    "content": json.dumps(content),
                    "resource_type": "ACCOUNT",
                    "action": "LOGIN",
                    "origin": "SHOP",
                }  # type: ignore[arg-type]
            )
        )
    return found


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", list(RULES))
async def test_is_the_same_with_the_database_in_between(place: Place, kind: str, seed: int) -> None:
    chance = random.Random(f"{kind} {seed}")
    alert = await place.add(**RULES[kind])
    begun, after = await _begun(place, alert)
    made = rows(chance, begun, after + 1)
    left, end = list(made), begun + 2 * SECONDS * NANOS
    while left:
        chunk, left = left[: (size := chance.randrange(1, 20))], left[size:]
        async with place.ledger.db.housekeeping(place.workspace_id) as tx:
            await following.hear(tx, chunk)
        if left and chance.random() < 0.7:
            await _pass(place, chance.randrange(chunk[-1].recorded_at, left[0].recorded_at + 1))
    await _pass(place, end)
    assert await _told(place, alert) == expected(RULES[kind], begun, made, end)


async def _begun(place: Place, alert: str) -> tuple[int, int]:
    alert_id = ids.decode(PREFIX, alert)
    assert alert_id is not None
    async with place.ledger.db.housekeeping(place.workspace_id) as tx:
        stored = await queries.one(tx, alert_id)
        assert stored is not None
        return stored.begun_at, stored.from_number


async def _pass(place: Place, until: int) -> None:
    async with place.ledger.db.housekeeping(place.workspace_id) as tx:
        await following.pass_time(tx, until)


async def _told(place: Place, alert: str) -> list[tuple[str, str | None]]:
    """Return firings with their recoveries as they are on record, in the order of time."""
    firings: dict[tuple[str, str], str | None] = {}
    for row in await place.told(alert):
        told = row["interaction"]
        recovered = told["at"] if row["actionMnemonic"] == "RECOVERED" else None
        key = (told["since"], told["groupId"])
        assert (key in firings) == (recovered is not None)
        assert firings.get(key) is None
        firings[key] = recovered
    return sorted(((since, recovered) for (since, _), recovered in firings.items()), key=str)


def expected(rule: dict[str, Any], begun: int, made: list[Row], end: int) -> list[tuple[str, str | None]]:
    trial = Trial(Program(Rule.model_validate(rule), begun), begun, sees_platform=False)
    trial.hear(made)
    trial.pass_time(end)
    found = trial.result(begun, end, complete=True)
    assert found.to == iso_millis(end)
    return sorted(((each.fired_at, each.recovered_at) for each in found.firings), key=str)
