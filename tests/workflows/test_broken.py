"""Drafts that can't be published: every problem of each is named at its place, in the order of the places.

Each file in `broken/` says in a sentence what is wrong with it, and lists its problems.
"""

from pathlib import Path
from typing import Any

import httpx
import pytest

from provenance.core.yaml_text import read
from provenance.workflows.compiling import check

FOLDER = Path(__file__).parent / "broken"
DRAFTS: dict[str, dict[str, Any]] = {path.stem: read(path.read_text()) for path in sorted(FOLDER.glob("*.yaml"))}


@pytest.mark.parametrize("name", DRAFTS)
def test_every_problem_is_named_at_its_place(name: str) -> None:
    draft = DRAFTS[name]
    checked = check(draft["definition"])
    assert [f"{each.path} {each.code}" for each in checked.problems] == draft["problems"]
    assert all(5 < len(each.issue) < 400 for each in checked.problems)
    assert checked.plan is None


async def test_a_draft_is_kept_with_its_problems_and_publishing_tells_them_all(client: httpx.AsyncClient) -> None:
    draft = DRAFTS["everything"]
    made = await client.post("/workflows", json={"name": "Broken", "definition": draft["definition"]})
    place = f"/workflows/{made.json()['workflowId']}"
    kept = (await client.get(f"{place}/draft")).json()
    assert [f"{each['path']} {each['code']}" for each in kept["problems"]] == draft["problems"]
    answer = await client.post(f"{place}/publish", json={})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_graph")
    assert [each["path"] for each in answer.json()["details"]] == [each.split()[0] for each in draft["problems"]]
