import json

import pytest

from tests.cli.process import Person


@pytest.mark.parametrize(
    ("command", "id_key"),
    [("resource-types", "resourceTypeId"), ("actions", "actionId"), ("origins", "originId")],
)
class TestCatalogue:
    async def test_create_show_list_delete(self, person: Person, command: str, id_key: str) -> None:
        looks = ("--icon", "👤", "--font", "#ffffff", "--background", "#3b82f6")
        made = json.loads(await person.get(command, "create", "MINE", "--title", "My own", *looks, "--json"))
        shown = json.loads(await person.get(command, "show", "mine", "--json"))
        listed = await person.get(command, "list")
        gone = await person.run(command, "delete", "MINE")
        after = await person.run(command, "show", "MINE")

        assert made["id"] == made[id_key] == shown["id"]
        assert (shown["icon"], shown["bgColorHex"]) == ("👤", "#3b82f6")
        assert "👤 MINE" in listed
        assert "My own" in listed
        assert (gone.returncode, after.returncode) == (0, 1)

    async def test_what_is_taken_is_refused(self, person: Person, command: str, id_key: str) -> None:
        await person.get(command, "create", "MINE")

        done = await person.run(command, "create", "mine")

        assert done.returncode == 1
        assert "mnemonic_taken" in done.stderr
