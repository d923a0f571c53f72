"""The kind of step that docs/guides/step-kinds.md brings, tried with the kit that it describes."""

import re
from pathlib import Path
from typing import Any

from tests.runs.kit import Kit

GUIDE = Path(__file__).resolve().parents[2] / "docs/guides/step-kinds.md"


def brought() -> Kit:
    """Return a kit for what the guide's code says."""
    code = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    found: dict[str, Any] = {}
    for block in code[:2]:
        exec(block, found)
    return Kit(found["Lookup"](), found["LookUp"](found["Directory"]()))


class TestTheKindOfTheGuide:
    def test_its_configuration_is_checked(self) -> None:
        kit = brought()
        assert kit.problems({"name": "a"}) == []
        assert kit.problems({}) == [("steps[1].config", "shape")]

    async def test_it_finds_and_fails(self) -> None:
        kit = brought()
        found = await kit.run({"name": "{{ input.who }}"}, {"who": "ada lovelace"})
        assert (found.status, found.output) == ("completed", {"phone": "1815"})
        found = await kit.run({"name": "nobody"})
        assert (found.status, found.error and found.error["code"], found.attempts) == ("failed", "not_listed", 1)

    async def test_what_is_away_is_tried_again(self) -> None:
        found = await brought().run({"name": "busy"}, retry={"maxAttempts": 2, "initialSeconds": 0.001})
        assert (found.status, found.error and found.error["code"], found.attempts) == ("failed", "unavailable", 2)

    async def test_it_survives_lost_processes(self) -> None:
        await brought().survives({"name": "ada lovelace"})
