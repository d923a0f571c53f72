"""Decisions are bound to what they decide: whatever is changed in a row, a run does not believe it."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
import pytest

from provenance.approvals.binding import (
    KEY_ID,
    Place,
    Proof,
    Signed,
    Statement,
    fault_of,
    payload_digest,
    public_key,
    sign,
)
from provenance.core import ids
from provenance.core.clock import NANOS, iso_millis
from provenance.core.keyring import WorkspaceKeys
from provenance.core.settings import Settings
from tests.approvals.conftest import Workflows, decide, definition, gate, working
from tests.conftest import Running
from tests.identity.people import As

KEYS = WorkspaceKeys({1: b"k" * 32})
WORKSPACE = UUID(int=7)
PLACE = Place(WORKSPACE, "run_1", "gate", 0, 1, "c" * 64)
NOW = 1_800_000_000 * NANOS
PAYLOAD = {"amount": 750.5, "to": ["Zoë"]}
Change = Callable[[dict[str, Any]], None]


def statement(payload: Any = PAYLOAD, **more: Any) -> Statement:
    """Write what is decided on, at the place above."""
    about: dict[str, Any] = {
        "workspace_id": str(WORKSPACE),
        "approval_id": "appr_1",
        "run_id": "run_1",
        "step_key": "gate",
        "iteration": 0,
        "attempt": 1,
        "workflow_id": "wf_1",
        "version_checksum": "c" * 64,
        "risk": "high",
        "payload_digest": payload_digest(payload),
        "payload_revision": 1,
        "original_digest": payload_digest(payload),
        "policy_revision": "1-a",
        "approvers": ["group:approvers"],
        "required_approvals": 1,
        "expires_at": None,
    }
    return Statement(**{**about, **more})


def outcome_of(
    about: Statement, *signed: Signed, payload: Any = PAYLOAD, decision: str = "approved", edited: bool = False
) -> dict[str, Any]:
    """Write what a run is handed, as it comes back from its row."""
    last = signed[-1]
    made = {
        "decision": decision,
        "payload": payload,
        "decidedBy": last.by,
        "decidedAt": last.at,
        "comment": last.comment,
        "edited": edited,
        "proof": msgspec.to_builtins(Proof(KEY_ID, about, list(signed))),
    }
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(made))
    return found


def approved(about: Statement, *people: str, at: int = NOW) -> list[Signed]:
    return [sign(KEYS, about.digest, "approved", by=each, at=at) for each in people]


def fault(outcome: Any) -> str | None:
    return fault_of(public_key(KEYS), PLACE, outcome)


class TestWhatIsBelieved:
    def test_what_was_signed(self) -> None:
        about = statement()
        assert fault(outcome_of(about, *approved(about, "user_1"))) is None
        rejected = sign(KEYS, about.digest, "rejected", by="user_1", at=NOW, comment="no")
        assert fault(outcome_of(about, rejected, decision="rejected")) is None

    def test_as_many_as_asked_for(self) -> None:
        about = statement(required_approvals=2)
        assert fault(outcome_of(about, *approved(about, "user_1", "user_2"))) is None
        few = "The signatures do not bear the decision out."
        assert fault(outcome_of(about, *approved(about, "user_1"))) == few
        assert fault(outcome_of(about, *approved(about, "user_1", "user_1"))) == few

    def test_the_system_by_a_rule(self) -> None:
        about = statement(required_approvals=2)
        by_rule = sign(KEYS, about.digest, "approved", by="system", at=NOW, rule="sla:approve")
        assert fault(outcome_of(about, by_rule)) is None

    def test_nothing_after_it_expired(self) -> None:
        about = statement(expires_at=iso_millis(NOW))
        assert fault(outcome_of(about, *approved(about, "user_1", at=NOW))) is None
        assert fault(outcome_of(about, *approved(about, "user_1", at=NOW + NANOS))) is not None

    @pytest.mark.parametrize("number", [750, 750.0, 0.1 + 0.2, 2**53 + 1, 1e300, -0.0, None, [], {}, "Zoë\u2028"])
    def test_a_payload_is_the_same_when_it_comes_back_from_its_row(self, number: Any) -> None:
        payload = {"z": number, "a": {"n": [number]}}
        again = msgspec.json.decode(msgspec.json.encode(payload))
        assert payload_digest(again) == payload_digest(payload)


CHANGES: dict[str, Change] = {
    "the decision": lambda found: found.update(decision="rejected"),
    "the payload": lambda found: found["payload"].update(amount=1_000_000),
    "who decided": lambda found: found.update(decidedBy="user_2"),
    "who signed": lambda found: found["proof"]["decisions"][0].update(by="user_2"),
    "when it was decided": lambda found: found.update(decidedAt="2020-01-01T00:00:00.000Z"),
    "a comment": lambda found: found.update(comment="Fine."),
    "a signed comment": lambda found: found["proof"]["decisions"][0].update(comment="Fine."),
    "whether it was edited": lambda found: found.update(edited=True),
    "the rule": lambda found: found["proof"]["decisions"][0].update(rule="risk:low"),
    "the signature": lambda found: found["proof"]["decisions"][0].update(signature="AAAA"),
    "no base64": lambda found: found["proof"]["decisions"][0].update(signature="é"),
    "the key": lambda found: found["proof"].update(keyId="2"),
    "how many are asked for": lambda found: found["proof"]["statement"].update(requiredApprovals=0),
    "who was asked": lambda found: found["proof"]["statement"].update(approvers=["role:viewer"]),
    "the run": lambda found: found["proof"]["statement"].update(runId="run_2"),
    "the version": lambda found: found["proof"]["statement"].update(versionChecksum="d" * 64),
    "the attempt": lambda found: found["proof"]["statement"].update(attempt=2),
    "no signature at all": lambda found: found["proof"].update(decisions=[]),
    "a text that is none": lambda found: found["proof"]["statement"].update(workflowId="\0"),
    "no proof": lambda found: found.pop("proof"),
    "a proof that is none": lambda found: found.update(proof=[1]),
}


class TestWhatIsNotBelieved:
    @pytest.mark.parametrize("change", list(CHANGES))
    def test_a_row_that_somebody_changed(self, change: str) -> None:
        about = statement()
        found = outcome_of(about, *approved(about, "user_1"))
        CHANGES[change](found)
        assert fault(found) is not None

    def test_a_decision_on_something_else(self) -> None:
        for other in ({"run_id": "run_2"}, {"step_key": "other"}, {"iteration": 1}, {"attempt": 2}):
            about = statement(**other)
            assert fault(outcome_of(about, *approved(about, "user_1"))) is not None

    def test_what_another_key_signed(self) -> None:
        about, other = statement(), WorkspaceKeys({1: b"o" * 32})
        forged = sign(other, about.digest, "approved", by="user_1", at=NOW)
        assert fault(outcome_of(about, forged)) is not None

    def test_nothing(self) -> None:
        for nothing in (None, {}, [], "approved", {"decision": "approved", "payload": None}):
            assert fault(nothing) == "The decision carries no proof."


class TestARun:
    """The worker is begun after the row was changed: it finds what a thief of the database left."""

    @pytest.mark.parametrize("forged", ["an approval of its own", "another payload", "a no turned into a yes"])
    async def test_does_not_go_on_by_what_was_changed_in_the_database(
        self, app: Running, settings: Settings, workflows: Workflows, admin: As, forged: str
    ) -> None:
        after = {"key": "after", "kind": "logic", "config": {"mode": "transform", "transform": "paid"}}
        run_id = await workflows.start(await workflows.publish(definition(gate(), after)), {"amount": 5})
        approval = await workflows.waiting(run_id)
        await decide(admin, approval["approvalId"], "reject" if forged == "a no turned into a yes" else "approve")
        outcome = await stored(app, run_id)
        if forged == "another payload":
            outcome["payload"]["amount"] = 5_000
        elif forged == "a no turned into a yes":
            outcome["decision"] = "approved"
        else:
            outcome = {"decision": "approved", "payload": {"amount": 5_000}, "decidedBy": admin.id}
        await store(app, run_id, outcome)
        async with working(app, settings):
            run = await workflows.ended(run_id)
        assert (run["status"], run["error"]["code"], run["output"]) == ("failed", "approval_not_proven", None)
        steps = (await workflows.client.get(f"/runs/{run_id}/steps")).json()["items"]
        assert (steps[1]["status"], steps[1]["error"]["code"]) == ("failed", "approval_not_proven")

    async def test_goes_on_by_what_was_not(
        self, app: Running, settings: Settings, workflows: Workflows, admin: As
    ) -> None:
        approval = await workflows.ask(given={"amount": 750.0, "large": 2**53 - 1})
        await decide(admin, approval["approvalId"], comment='Zoë \u2028 " \\')
        async with working(app, settings):
            assert (await workflows.ended(approval["runId"]))["status"] == "completed"


async def stored(app: Running, run_id: str) -> Any:
    """Return the outcome in the row of a run's wait."""
    async with app.ledger.db.housekeeping() as tx:
        sql = "SELECT outcome FROM run_waits WHERE run_id = $1"
        return msgspec.json.decode((await tx.driver_sql(sql, (ids.decode("run", run_id),))).scalar_one())


async def store(app: Running, run_id: str, outcome: Any) -> None:
    """Change the outcome in the row of a run's wait."""
    async with app.ledger.db.housekeeping() as tx:
        sql = "UPDATE run_waits SET outcome = $2 WHERE run_id = $1"
        await tx.driver_sql(sql, (ids.decode("run", run_id), msgspec.json.encode(outcome).decode()))
