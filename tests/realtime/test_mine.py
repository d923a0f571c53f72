"""What is a person's own: approvals asked of them, and what came into their inbox. Nobody else hears of either."""

import uuid
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.approvals.policy import assigned_as
from provenance.core import ids
from provenance.core.actor import Actor, Kind, Role
from provenance.ledger.service import Fact, record
from provenance.notifications.inbox import queries as inbox
from provenance.notifications.inbox.schemas import News
from provenance.realtime.channels import channel
from tests.conftest import MakeTenant, Running, Tenant
from tests.identity.people import As, MakeAs, also_in
from tests.realtime.conftest import Ear, Listen


def as_person(someone: As) -> dict[str, str]:
    return {"authorization": someone.headers["authorization"]}


async def happen(app: Running, workspace: Tenant, event: str, **data: Any) -> str:
    """Record something about an approval; return its id."""
    approval_id = ids.encode("appr", ids.new_uuid())
    subject, _, verb = event.upper().partition(".")
    async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
        record(tx, Fact(resource_type=subject, action=verb, resource_id=approval_id, data=data, domain="approval"))
    return approval_id


async def put(app: Running, workspace: Tenant, number: int, *people: As) -> None:
    """Put something into people's inboxes."""
    news = News(number, ids.new_uuid(), "run.failed", "high", "run_1", "A title", uuid.uuid4(), 1)
    async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
        await inbox.put(tx, news, [person_of(each) for each in people])


def person_of(someone: As) -> uuid.UUID:
    found = ids.decode("user", someone.id)
    assert found is not None
    return found


class TestApprovalsMine:
    async def test_carries_what_is_asked_of_me_and_nothing_else(
        self, app: Running, workspace: Tenant, listen: Listen, make_as: MakeAs
    ) -> None:
        mine, other = await make_as(Role.VIEWER, groups=("finance",)), await make_as(Role.EDITOR)
        ear, all_ears = await listen(as_person(mine)), await listen(as_person(other))
        assert (await ear.ask("subscribe", channels=["approvals:mine"]))["type"] == "ack"
        await all_ears.ask("subscribe", channels=["approvals:mine"])
        wanted = [
            await happen(app, workspace, "approval.requested", assignees=[f"user:{mine.id}"]),
            await happen(app, workspace, "approval.sla_breach", assignees=["role:viewer"]),
        ]
        await happen(app, workspace, "approval.requested", assignees=[f"user:{other.id}", "role:editor"])
        await happen(app, workspace, "approval.requested", assignees=["group:audit", "role:admin"])
        wanted += [
            await happen(app, workspace, "approval.payload_edited", assignees=["role:admin"], gone=[f"user:{mine.id}"]),
            await happen(app, workspace, "approval.approved", assignees=["group:finance"]),
        ]
        frames = await ear.until(lambda found: len(found) >= len(wanted))
        assert [frame["data"]["approvalId"] for frame in frames] == wanted
        assert [frame["type"] for frame in frames] == [
            "approval.requested", "approval.sla_breach", "approval.updated", "approval.approved",
        ]  # fmt: skip
        assert "assignees" not in frames[0]["data"]
        heard = await all_ears.until(lambda found: len(found) >= 2)
        assert heard[0]["data"]["approvalId"] == wanted[1]

    async def test_no_key_has_a_mine(self, listen: Listen) -> None:
        ear = await listen()
        for name in ("approvals:mine", "notifications"):
            assert (await ear.ask("subscribe", channels=[name]))["code"] == "people_only"
        for name in ("notifications:mine", "runs:mine", "approvals:yours"):
            assert (await ear.ask("subscribe", channels=[name]))["code"] == "unknown_channel"


class TestNotifications:
    async def test_each_hears_what_came_into_their_own_inbox(
        self, app: Running, workspace: Tenant, make_tenant: MakeTenant, listen: Listen, make_as: MakeAs
    ) -> None:
        mine, other = await make_as(Role.VIEWER), await make_as(Role.VIEWER)
        elsewhere = await make_tenant()
        await also_in(app, mine, elsewhere, Role.ADMIN)
        ears = [await listen(as_person(each)) for each in (mine, other)]
        for ear in ears:
            await ear.ask("subscribe", channels=["notifications"])
        await put(app, elsewhere, 7, mine)
        await put(app, workspace, 3, mine)
        await put(app, workspace, 2, other, mine)
        await put(app, workspace, 4, other)
        assert await _numbers(ears[0], 2) == {3, 2}
        assert await _numbers(ears[1], 2) == {2, 4}
        [frame] = [each for each in ears[0].frames if each["data"]["eventSeq"] == 3]
        assert (frame["type"], frame["seq"], frame["workspaceId"]) == ("notification", None, workspace.id)
        assert frame["data"]["objectId"] == "run_1"
        assert "A title" not in str(frame)


async def _numbers(ear: Ear, count: int) -> set[int]:
    frames = await ear.until(lambda found: len(found) >= count)
    assert len(frames) == count
    return {frame["data"]["eventSeq"] for frame in frames}


NAMES = st.sampled_from(
    ["role:viewer", "role:editor", "role:admin", "group:a", "group:b", "user:user_1", "user:user_2"]
)


class _Told:
    """As much of an event as a channel looks at."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data, self.name, self.subject = data, "approval.requested", "approval"
        self.row = type("Row", (), {"resource_id": "appr_1"})


@given(
    assignees=st.lists(NAMES, max_size=4),
    gone=st.lists(NAMES, max_size=2),
    role=st.sampled_from(Role),
    groups=st.frozensets(st.sampled_from("ab")),
    name=st.sampled_from(["user_1", "user_2"]),
)
@settings(max_examples=200)
def test_mine_is_what_names_me_in_person_by_role_or_by_group(
    assignees: list[str], gone: list[str], role: Role, groups: frozenset[str], name: str
) -> None:
    """Whatever somebody's role: an administrator may decide everything, and is not asked everything."""
    actor = Actor(Kind.PERSON, name, uuid.UUID(int=1), role=role, groups=groups)
    told = channel("approvals:mine").summary(_Told({"assignees": assignees, "gone": gone}), actor)  # type: ignore[arg-type]
    assert (told is not None) == bool({*assignees, *gone} & set(assigned_as(actor)))
