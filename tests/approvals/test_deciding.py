"""The rules of deciding as a machine, and decisions that come in whatever order, while runs still park."""

import asyncio
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.approvals import deciding, service
from provenance.approvals.deciding import Desk
from provenance.approvals.schemas import ApprovalUpdate, Approve, Filters, Reject, Status
from provenance.core import ids
from provenance.core.actor import Actor, Kind, Role
from provenance.core.db import ReadTx
from provenance.core.errors import Conflict
from provenance.core.ids import new_uuid
from provenance.core.keyring import WorkspaceKeys
from provenance.runs.asking import People
from tests.approvals.conftest import Workflows, decide, gate
from tests.conftest import Running, Tenant
from tests.identity.people import As
from tests.runs.conftest import World
from tests.runs.published import definition, transform

UNCHECKED = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large)
PEOPLE = 4


class Machine:
    """What an approval is to be after each act, by the rules alone."""

    def __init__(self, required: int) -> None:
        self.required = required
        self.payload: Any = {"n": 0}
        self.revision = 1
        self.votes: set[int] = set()
        self.status = "pending"

    def act(self, kind: str, who: int, value: int, seen: int | None) -> str:
        """Return what becomes of an act: a status, or the code of its refusal."""
        if self.status != "pending":
            return "already_decided"
        if kind == "edit":
            self._edit(value)
            return "pending"
        if seen is not None and seen != self.revision:
            return "stale_payload"
        if kind == "reject":
            self.status = "rejected"
            return self.status
        if kind == "approve as":
            self._edit(value)
        if who in self.votes:
            return "already_voted"
        self.votes.add(who)
        if len(self.votes) >= self.required:
            self.status = "approved"
        return self.status

    def _edit(self, value: int) -> None:
        if self.payload != {"n": value}:
            self.payload, self.revision, self.votes = {"n": value}, self.revision + 1, set()


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["approve", "approve", "approve as", "edit", "reject"]),
        st.integers(0, PEOPLE - 1),
        st.integers(0, 2),
        st.sampled_from([None, None, 1, 2]),
    ),
    max_size=10,
)


def crowd(workspace: Tenant) -> list[Actor]:
    workspace_id = ids.decode("ws", workspace.id)
    assert workspace_id is not None
    made = [new_uuid() for _ in range(PEOPLE)]
    return [Actor(Kind.PERSON, ids.encode("user", each), workspace_id, role=Role.ADMIN, person=each) for each in made]


class TestTheMachine:
    @settings(max_examples=15, deadline=None, suppress_health_check=UNCHECKED)
    @given(acts=ACTS, required=st.integers(1, 3))
    async def test_every_act_ends_as_the_rules_say(
        self, app: Running, workspace: Tenant, workflows: Workflows, acts: list[Any], required: int
    ) -> None:
        approval = await workflows.ask(given={"n": 0}, requiredApprovals=required)
        approval_id, people, machine = approval["approvalId"], crowd(workspace), Machine(required)
        keys = await app.ledger.keyring.of(people[0].workspace_id)
        for kind, who, value, seen in acts:
            expected = machine.act(kind, who, value, seen)
            assert await self.do(app, keys, people[who], approval_id, (kind, value, seen)) == expected
        async with app.ledger.db.read(people[0]) as tx:
            shown = await service.get(tx, approval_id)
        assert (shown.status, shown.payload, shown.payload_revision) == (
            machine.status, machine.payload, machine.revision
        )  # fmt: skip
        if machine.status != "rejected":
            assert {each.by for each in shown.decisions if not each.void} == {people[who].id for who in machine.votes}

    async def do(
        self, app: Running, keys: WorkspaceKeys, actor: Actor, approval_id: str, act: tuple[str, int, int | None]
    ) -> str:
        kind, value, seen = act
        state = app.door.framework.state
        desk = Desk(keys, state.engine, state.identity)
        more: dict[str, Any] = {} if seen is None else {"payload_revision": seen}
        payload = {"payload": {"n": value}}
        try:
            async with app.ledger.db.write(actor) as tx:
                if kind == "edit":
                    return (await service.update(tx, approval_id, ApprovalUpdate(**payload))).status.value
                if kind == "reject":
                    asked = Reject(comment="no", **more)
                    return (await deciding.reject(tx, desk, approval_id, asked)).status
                asked_for = Approve(**more, **(payload if kind == "approve as" else {}))
                return (await deciding.approve(tx, desk, approval_id, asked_for)).status
        except Conflict as error:
            return error.code


async def somebody_waits(app: Running) -> None:
    """Wait until a transaction waits for the lock of another."""
    stuck = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(20):
        while True:
            async with app.ledger.db.aside.housekeeping() as tx:
                if (await tx.driver_sql(stuck)).scalar_one():
                    return
            await asyncio.sleep(0.01)


class TestAtOnce:
    async def test_the_last_two_votes_of_a_quorum(self, app: Running, workspace: Tenant, workflows: Workflows) -> None:
        """Whoever is second finds the first one's vote; none is lost, and one ends it."""
        people = crowd(workspace)
        keys = await app.ledger.keyring.of(people[0].workspace_id)
        desk = Desk(keys, app.door.framework.state.engine, app.door.framework.state.identity)
        approval = await workflows.ask(requiredApprovals=3)

        async def vote(actor: Actor) -> str:
            try:
                async with app.ledger.db.write(actor) as tx:
                    return (await deciding.approve(tx, desk, approval["approvalId"], Approve())).status
            except Conflict as error:
                return error.code

        found = await asyncio.gather(*[vote(each) for each in people])
        assert sorted(found) == ["already_decided", "approved", "pending", "pending"]

    @pytest.mark.parametrize(
        ("required", "first", "found"),
        [(1, Approve(), "already_decided"), (2, Approve(), "approved"), (2, Approve(payload=7), "stale_payload")],
        ids=["decided", "voted", "edited"],
    )
    async def test_who_waits_for_another_reads_what_that_one_left(
        self, app: Running, workspace: Tenant, workflows: Workflows, required: int, first: Approve, found: str
    ) -> None:
        one, other = crowd(workspace)[:2]
        keys = await app.ledger.keyring.of(one.workspace_id)
        desk = Desk(keys, app.door.framework.state.engine, app.door.framework.state.identity)
        approval = await workflows.ask(requiredApprovals=required)

        async def decide_too(begin: asyncio.Event) -> str:
            await begin.wait()
            try:
                async with app.ledger.db.write(other) as tx:
                    seen = Approve(payload_revision=1)
                    return (await deciding.approve(tx, desk, approval["approvalId"], seen)).status
            except Conflict as error:
                return error.code

        begin = asyncio.Event()
        late = asyncio.create_task(decide_too(begin))
        async with app.ledger.db.write(one) as tx:
            await deciding.approve(tx, desk, approval["approvalId"], first)
            begin.set()
            await somebody_waits(app)
        assert await late == found

    async def test_decisions_and_the_cancelling_of_the_run(self, app: Running, workflows: Workflows, admin: As) -> None:
        for _ in range(4):
            approval = await workflows.ask()
            path = f"/runs/{approval['runId']}/cancel"
            decided, cancelled = await asyncio.gather(
                decide(admin, approval["approvalId"]), workflows.client.post(path, json={})
            )
            shown = (await admin.get(f"/approvals/{approval['approvalId']}")).json()
            assert cancelled.status_code == 200
            assert decided.status_code in (200, 409)
            assert shown["status"] == ("approved" if decided.status_code == 200 else "cancelled")


class TestWhileRunsPark:
    async def test_hundreds_of_decisions_in_any_order(self, world: World) -> None:
        """Each run asks twelve times at once, next to a step that keeps it busy: every decision counts."""
        chance = random.Random(9)
        each = gate("each", payload="{{ item }}", risk="medium")
        each["forEach"] = {"items": "{{ input }}", "as": "item", "concurrency": 4, "maxItems": 20}
        pause = {"key": "pause", "kind": "wait", "config": {"seconds": 0.05}}
        edges = [("start", "each"), ("start", "pause"), ("pause", "late"), ("each", "join"), ("late", "join")]
        steps = (each, pause, gate("late"), transform("join", "{{ approval.each.payload }}"))
        document = definition(*steps, edges=edges)
        workflow_id = world.published.publish(document)
        actor = crowd_of(world)
        async with world.working(gate=People(world.app.ledger), slots=6):
            async with asyncio.timeout(60):
                started = [await world.start(workflow_id, list(range(12))) for _ in range(10)]
                decided = 0
                while decided < 10 * 13:
                    decided += await decide_some(world, actor, chance)
                for run_id in started:
                    run = await world.until(run_id)
                    assert (run.status, run.output) == ("completed", list(range(12)))


async def decide_some(world: World, actor: Actor, chance: random.Random) -> int:
    """Approve some of what is asked now, in any order."""
    keys = await world.app.ledger.keyring.of(world.workspace_id)
    async with world.app.ledger.db.read(actor) as tx:
        found = await pending(tx, keys)
    if not found:
        await asyncio.sleep(0.01)
        return 0
    chance.shuffle(found)
    some = found[: chance.randint(1, len(found))]
    await asyncio.gather(*[approve(world, keys, actor, each) for each in some])
    return len(some)


async def pending(tx: ReadTx, keys: WorkspaceKeys) -> list[str]:
    filters = Filters(status=Status.PENDING)
    page = await service.page(tx, keys, filters, limit=200, cursor=None)
    return [each.approval_id for each in page.items]


async def approve(world: World, keys: WorkspaceKeys, actor: Actor, approval_id: str) -> None:
    identity = world.app.door.framework.state.identity
    async with world.app.ledger.db.write(actor) as tx:
        await deciding.approve(tx, Desk(keys, world.runs.engine, identity), approval_id, Approve())


def crowd_of(world: World) -> Actor:
    person = new_uuid()
    return Actor(Kind.PERSON, ids.encode("user", person), world.workspace_id, role=Role.ADMIN, person=person)
