"""`provenance skills`: from an empty folder to a call on the server, and the same code called here."""

import json
from pathlib import Path

from tests.cli.process import Person


class TestSkills:
    async def test_from_an_empty_folder_to_a_call(self, person: Person, tmp_path: Path) -> None:
        folder = tmp_path / "greet"
        assert (await person.run("skills", "init", str(folder))).returncode == 0
        done = await person.run("skills", "test", str(folder))
        assert (done.returncode, "3 passed, 0 failed" in done.stderr) == (0, True), done.stderr
        assert json.loads(await person.get("skills", "run", str(folder), "--input", '{"name": "Ann"}')) == {
            "greeting": "Hello, Ann!"
        }
        skill = json.loads(await person.get("skills", "push", str(folder)))
        assert (skill["name"], skill["status"], skill["version"]) == ("greet", "ready", 1)
        called = await person.get("skills", "run", "greet", "--input", "-", stdin='{"name": "Bo"}')
        assert json.loads(called) == {"greeting": "Hello, Bo!"}
        (folder / "main.py").write_text("def run(input):\n    return {'greeting': 'Hi'}\n")
        assert json.loads(await person.get("skills", "push", str(folder)))["version"] == 2
        assert json.loads(await person.get("skills", "push", str(folder)))["version"] == 2, "nothing changed"
        assert [json.loads(line)["name"] for line in (await person.get("skills", "list")).splitlines()] == ["greet"]
        broken = await person.run("skills", "test", str(folder))
        assert (broken.returncode, "2 failed" in broken.stderr) == (1, True), broken.stderr

    async def test_a_package_is_the_same_each_time(self, person: Person, tmp_path: Path) -> None:
        folder = tmp_path / "mine"
        assert (await person.run("skills", "init", str(folder), "--from", "csv")).returncode == 0
        packs = [await person.get("skills", "pack", str(folder), "--to", str(tmp_path / f"{n}.zip")) for n in range(2)]
        assert len({json.loads(each)["sha256"] for each in packs}) == 1
        assert json.loads((folder / "skill.json").read_text())["name"] == "mine"

    async def test_mistakes_are_told(self, person: Person, tmp_path: Path) -> None:
        assert (await person.run("skills", "init", str(tmp_path))).returncode in (0, 2)
        assert (await person.run("skills", "init", str(tmp_path / "x"), "--from", "nothing")).returncode == 2
        assert (await person.run("skills", "pack", str(tmp_path / "none"))).returncode == 2
        missing = await person.run("skills", "run", "nobody")
        assert (missing.returncode, "no skill nobody" in missing.stderr) == (1, True)
