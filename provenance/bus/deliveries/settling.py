"""Storing what became of deliveries in hand, and what follows: the next of the lane, the target's standing, the record.

Locks are taken in one order: targets, then deliveries, then the ledger's. What lost its lease changes nothing.
"""

from collections.abc import Mapping, Sequence

from provenance.bus.deliveries import settle_queries as queries
from provenance.bus.deliveries.backoff import closed_for
from provenance.bus.deliveries.giving_up import GivenUp, give_up, turn_of
from provenance.bus.deliveries.schemas import DEAD, DELIVERED, DROPPED, OPEN, Result, TargetRow
from provenance.bus.deliveries.settle_queries import Place
from provenance.bus.statements import Statements, Within
from provenance.bus.subscriptions.schemas import DeadLetter
from provenance.core.db import WriteTx
from provenance.ledger.service import Deed, record


async def settle(tx: WriteTx, results: Sequence[Result]) -> None:
    """Store what became of deliveries in the caller's transaction, and record what the ledger is to know."""
    for deed in await apply(Within(tx), tx.now, tx.acting, results):
        record(tx, deed.fact)


async def apply(statements: Statements, now: int, acting: tuple[str, str], results: Sequence[Result]) -> list[Deed]:
    """Store what became of deliveries, of any workspaces; return what is to be appended to the ledger, last of all."""
    known = await queries.lock_targets(statements, {place_of(each) for each in results})
    rules = await queries.dead_letter_rules(statements, {place_of(each) for each in results if each.state == DEAD})
    results = [_kept_or_not(each, rules) for each in results]
    applied = await queries.settle(statements, now, results)
    results = [each for each in results if each.claimed.seq in applied]
    lanes = {(*place_of(each), each.claimed.lane) for each in results if each.state != OPEN and each.claimed.lane}
    await queries.bring_forward(statements, sorted(lanes))
    deeds = await _stand(statements, now, acting, known, results)
    lost = [GivenUp(each, rules.get(place_of(each), DeadLetter())) for each in results if each.state in (DEAD, DROPPED)]
    return deeds + await give_up(statements, now, acting, lost)


def place_of(result: Result) -> Place:
    """Return the workspace and the subscription of a delivery."""
    return result.claimed.workspace_id, result.claimed.subscription_id


def _kept_or_not(result: Result, rules: Mapping[Place, DeadLetter]) -> Result:
    kept = result.state != DEAD or rules.get(place_of(result), DeadLetter()).enabled
    return result if kept else result._replace(state=DROPPED)


async def _stand(
    statements: Statements, now: int, acting: tuple[str, str], known: Mapping[Place, TargetRow], results: list[Result]
) -> list[Deed]:
    """Note how targets are doing; return what is recorded when one begins to fail, and when it is well again."""
    by_place: dict[Place, list[Result]] = {}
    for each in results:
        if each.tried is not None:
            by_place.setdefault(place_of(each), []).append(each)
    pairs = [(known[place], _standing(now, known[place], mine)) for place, mine in by_place.items() if place in known]
    await queries.set_standings(statements, [after for _, after in pairs])
    turns = [turn_of(before, after, acting) for before, after in pairs]
    return [deed for deed in turns if deed is not None]


def _standing(now: int, target: TargetRow, results: Sequence[Result]) -> TargetRow:
    """Return how a target is doing after these attempts."""
    failures, said, failed_at, delivered_at = target.failures, target.said, target.failed_at, target.delivered_at
    for each in results:
        assert each.tried is not None
        if each.tried.ok:
            failures, delivered_at = 0, now
        else:
            failures, said, failed_at = failures + each.blames, each.tried.said, now
    closed = max([now + closed_for(failures) if failures > target.failures else 0, *(r.pause_until for r in results)])
    return target._replace(
        failures=failures,
        closed_until=0 if failures == 0 and closed <= now else max(closed, target.closed_until),
        said=said,
        failed_at=failed_at,
        delivered_at=delivered_at,
        delivered=target.delivered + sum(each.state == DELIVERED for each in results),
        retried=target.retried + sum(each.state == OPEN for each in results),
        dead=target.dead + sum(each.state in (DEAD, DROPPED) for each in results),
    )
