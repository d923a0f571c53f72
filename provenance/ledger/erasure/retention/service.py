"""The verbs of retention: say how long content stays, and find what is older."""

import uuid
from typing import NamedTuple

from provenance.core.clock import NANOS
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import new_uuid
from provenance.ledger.catalogue.cache import Catalogue, Catalogues, Kind
from provenance.ledger.erasure.queries import lock
from provenance.ledger.erasure.retention import queries
from provenance.ledger.erasure.retention.errors import PolicyTwice
from provenance.ledger.erasure.retention.schemas import Policy, RetentionPolicies, RetentionPolicy
from provenance.ledger.errors import UnknownMnemonic
from provenance.ledger.service import Fact, record

DAY = 86_400 * NANOS
WINDOW = 50_000
"""Most rows looked at by one statement."""


class Aged(NamedTuple):
    """Rows that are old enough under one policy, and how far that policy is applied with them; None: all are."""

    numbers: list[int]
    policy: uuid.UUID | None
    swept: int


async def find(tx: ReadTx, catalogues: Catalogues) -> RetentionPolicies:
    """Return the workspace's policies."""
    catalogue = await catalogues.within(tx)
    return RetentionPolicies(policies=[_shown(policy, catalogue) for policy in await queries.policies(tx)])


def _shown(policy: Policy, catalogue: Catalogue) -> RetentionPolicy:
    named = [_name(catalogue, word) for word in (policy.resource_type_id, policy.action_id)]
    return RetentionPolicy(resource_type=named[0], action=named[1], days=policy.days)


def _name(catalogue: Catalogue, word_id: uuid.UUID | None) -> str | None:
    """Return the mnemonic of a word; the id of one that was deleted since."""
    if word_id is None:
        return None
    word = catalogue.with_id(word_id)
    return str(word_id) if word is None else word.mnemonic


async def replace(tx: WriteTx, catalogues: Catalogues, body: RetentionPolicies) -> RetentionPolicies:
    """Put these policies in the place of all. Raises PolicyTwice and UnknownMnemonic."""
    await lock(tx)
    catalogue = await catalogues.within(tx)
    fresh: list[Policy] = []
    for index, each in enumerate(body.policies):
        at = f"policies[{index}]"
        resource_type = _word(catalogue, Kind.RESOURCE_TYPE, each.resource_type, at)
        action = _word(catalogue, Kind.ACTION, each.action, at)
        if (resource_type, action) in [policy[1:3] for policy in fresh]:
            raise PolicyTwice.at(at, "is for the same rows as one before")
        fresh.append(Policy(new_uuid(), resource_type, action, each.days, 0, 0))
    await queries.replace(tx, fresh)
    made = RetentionPolicies(policies=[_shown(policy, catalogue) for policy in fresh])
    data = made.model_dump(by_alias=True)
    fact = Fact(
        resource_type="LEDGER",
        action="RETENTION_CHANGED",
        resource_id="retention",
        data=data,
        risk="critical",
        domain="ledger",
    )
    record(tx, fact)
    return made


def _word(catalogue: Catalogue, kind: Kind, name: str | None, at: str) -> uuid.UUID | None:
    if name is None:
        return None
    word = catalogue.named(kind, name)
    if word is None:
        raise UnknownMnemonic.at(f"{at}.{kind}", f"{name} is not in the catalogue")
    return uuid.UUID(word.id)


async def aged(tx: ReadTx, *, now: int, upto: int, limit: int) -> Aged:
    """Find the next rows, up to a number, that are older at a moment than their policy allows."""
    policies = await queries.policies(tx)
    for policy in policies:
        if policy.days is None:
            continue
        before = now - policy.days * DAY
        boundary = await _boundary(tx, before, policy.swept, upto)
        if policy.swept >= boundary:
            continue
        end = min(boundary, policy.swept + WINDOW)
        numbers = await queries.old(tx, policy, policies, upto=end, before=before, limit=limit)
        return Aged(numbers, policy.id, numbers[-1] if len(numbers) == limit else end)
    return Aged([], None, 0)


async def _boundary(tx: ReadTx, before: int, low: int, high: int) -> int:
    """Return the last number, above ``low`` and up to ``high``, that was recorded before a moment; else ``low``.

    Rows are recorded in the order of their numbers but for the seconds that a process waits for its commit: the
    few that lie the wrong way around are found by the next run.
    """
    while low < high:
        middle = (low + high + 1) // 2
        if await queries.recorded_at(tx, middle) < before:
            low = middle
        else:
            high = middle - 1
    return low
