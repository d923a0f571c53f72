"""Reviews: powers gained and lost, gates that no longer stand in the way, paths that escape."""

from copy import deepcopy
from typing import Any

import httpx
import pytest

from provenance.workflows.compiling import compile_definition
from provenance.workflows.kinds import Risk
from provenance.workflows.review.coverage import Rule, reaches, uncovered
from provenance.workflows.review.powers import changes_of
from tests.workflows.conftest import Make
from tests.workflows.examples import ORDER

GATED: dict[str, Any] = {
    "schemaVersion": 1,
    "vars": {"base": "https://shop.example"},
    "steps": [
        {"key": "start", "kind": "trigger", "config": {"type": "manual"}},
        {"key": "gate", "kind": "approval", "config": {"title": "ok?", "risk": "high"}},
        {"key": "call", "kind": "action", "config": {"target": "http", "url": "{{ vars.base }}/{{ input.id }}"}},
    ],
    "edges": [{"from": "start", "to": "gate"}, {"from": "gate", "to": "call"}],
}
HIGH = Rule(Risk.HIGH)


def changed(step: int | None = None, edges: list[dict[str, str]] | None = None, **members: Any) -> dict[str, Any]:
    document = deepcopy(GATED)
    if step is not None:
        document["steps"][step]["config"] |= members.pop("config", {})
        document["steps"][step] |= members
    document["edges"] += edges or []
    return document


def escapes(document: dict[str, Any], rule: Rule = HIGH) -> list[tuple[str, ...]]:
    return [each.path for each in uncovered(compile_definition(document), rule)]


class TestCoverage:
    def test_an_effect_behind_a_gate_is_covered(self) -> None:
        [reach] = reaches(compile_definition(GATED), HIGH)
        assert (reach.step, reach.gates, reach.path) == ("call", ("gate",), ())

    @pytest.mark.parametrize("on", ["error", "rejected", "always"])
    def test_only_an_approval_opens_a_gate(self, on: str) -> None:
        document = changed(edges=[{"from": "gate", "to": "call", "on": on}])
        assert escapes(document) == [("start", "gate", "call")]

    def test_a_way_around_is_named(self) -> None:
        assert escapes(changed(edges=[{"from": "start", "to": "call"}])) == [("start", "call")]

    @pytest.mark.parametrize(
        "gate",
        [
            {"config": {"risk": "low"}},
            {"config": {"risk": "medium", "onBreach": "approve"}},
            {"onError": "continue"},
            {"forEach": {"items": "{{ input.list }}"}},
        ],
    )
    def test_a_gate_that_opens_by_itself_is_none(self, gate: dict[str, Any]) -> None:
        assert escapes(changed(1, **gate)) == [("start", "gate", "call")]

    def test_by_whom(self) -> None:
        document = changed(1, config={"assignees": [{"kind": "group", "id": "finance"}]})
        assert escapes(document, Rule(Risk.HIGH, "group:finance")) == []
        assert escapes(document, Rule(Risk.HIGH, "group:legal")) == [("start", "gate", "call")]
        assert escapes(GATED, Rule(Risk.HIGH, "group:approvers", ("group:approvers",))) == []

    def test_effects_below_the_risk_are_left_alone(self) -> None:
        document = changed(2, config={"riskLevel": "medium"}, edges=[])
        document["edges"] = [{"from": "start", "to": "gate"}, {"from": "start", "to": "call"}]
        assert escapes(document) == []
        assert escapes(document, Rule(Risk.MEDIUM)) == [("start", "call")]


class TestChanges:
    def test_powers_are_read_through_constants(self) -> None:
        found = changes_of(None, compile_definition(GATED))
        assert (found.gained, found.lost) == (["touch http https://shop.example"], [])

    def test_what_no_longer_asks_is_told(self) -> None:
        before = compile_definition(GATED)
        after = compile_definition(changed(edges=[{"from": "start", "to": "call"}]))
        assert changes_of(before, after).gates_lost == ["touch http https://shop.example"]
        assert changes_of(after, before).gates_lost == []

    def test_another_host_is_another_power(self) -> None:
        after = compile_definition(changed(2, config={"url": "{{ input.url }}"}))
        found = changes_of(compile_definition(GATED), after)
        assert (found.gained, found.lost) == (["touch http *"], ["touch http https://shop.example"])


class TestReview:
    async def test_of_a_draft_against_the_live_version(self, client: httpx.AsyncClient, published: Make) -> None:
        path = f"/workflows/{(await published(definition=GATED))['workflowId']}"
        same = (await client.get(f"{path}/draft/review")).json()
        assert {each["change"] for each in [*same["graph"]["steps"], *same["powers"], *same["gates"]]} == {"same"}
        assert (same["against"], same["blocking"], same["coverage"][0]["covered"]) == (1, [], True)
        around = changed(edges=[{"from": "start", "to": "call"}])
        around["steps"][1]["config"]["title"] = "really?"
        await client.put(f"{path}/draft", json={"definition": around, "draftRevision": 1})
        found = (await client.get(f"{path}/draft/review", params={"against": "live", "risk": "high"})).json()
        assert found.keys() == {"against", "graph", "powers", "gates", "coverage", "blocking"}
        assert {each["key"]: each["change"] for each in found["graph"]["steps"]}["gate"] == "changed"
        assert [each["change"] for each in found["graph"]["edges"]] == ["same", "same", "added"]
        [power] = found["powers"]
        assert (power["change"], power["asked"], power["asks"]) == ("same", True, False)
        assert found["coverage"][0]["path"] == ["start", "call"]
        assert [each["code"] for each in found["blocking"]] == ["ungated"]
        before = (await client.get(f"{path}/versions/1/review", params={"against": "1"})).json()
        assert before["blocking"] == []
        assert (await client.get(f"{path}/draft/review", params={"against": "7"})).status_code == 404

    async def test_a_draft_that_cannot_run_is_blocked(self, client: httpx.AsyncClient, make: Make) -> None:
        document = changed(edges=[{"from": "call", "to": "gate"}])
        path = f"/workflows/{(await make(definition=document))['workflowId']}/draft/review"
        found = (await client.get(path)).json()
        assert (found["against"], found["powers"]) == (None, [])
        assert {each["code"] for each in found["blocking"]} == {"cycle"}

    async def test_publishing_records_what_no_longer_asks(self, client: httpx.AsyncClient, published: Make) -> None:
        path = f"/workflows/{(await published(definition=GATED))['workflowId']}"
        around = changed(edges=[{"from": "start", "to": "call"}])
        await client.put(f"{path}/draft", json={"definition": around, "draftRevision": 1})
        await client.post(f"{path}/publish", json={})
        items = (await client.get("/audit", params={"eventType": "workflow.published", "limit": 1})).json()["items"]
        assert (items[0]["risk"], items[0]["detail"]["gatesLost"]) == ("high", ["touch http https://shop.example"])


def test_the_example_of_the_order_escapes_below_the_limit() -> None:
    assert escapes(ORDER) == [("start", "over", "call")]
