"""`workflows`: a definition as a file, from the first check to the live version."""

import json
from pathlib import Path

from provenance.core.yaml_text import read, write
from tests.cli.process import Person, Shell
from tests.workflows.examples import ORDER
from tests.workflows.test_broken import FOLDER

BROKEN = FOLDER / "everything.yaml"


class TestValidate:
    def test_needs_no_server(self, shell: Shell, tmp_path: Path) -> None:
        file = tmp_path / "order.yaml"
        file.write_text(write(ORDER))
        done = shell.run("workflows", "validate", str(file))
        assert done.returncode == 0, done.stderr
        assert [line.rpartition(" ")[2] for line in done.stdout.splitlines()] == ["[before_approval]"] * 2

    def test_names_every_problem_at_its_place(self, shell: Shell, tmp_path: Path) -> None:
        file = tmp_path / "order.json"
        edges = [*ORDER["edges"], {"from": "store", "to": "over"}, {"from": "store", "to": "nowhere"}]
        file.write_text(json.dumps(ORDER | {"edges": edges}))
        done = shell.run("workflows", "validate", str(file))
        assert done.returncode == 1
        assert "error: edges[6].to: there is no step nowhere [dangling]" in done.stdout
        assert "error: steps[1] (over): lies on a cycle" in done.stdout
        listed = json.loads(shell.run("workflows", "validate", str(file), "--json").stdout)
        assert {each["code"] for each in listed["problems"]} == {"cycle", "dangling"}

    def test_what_is_no_file_of_ours(self, shell: Shell, tmp_path: Path) -> None:
        file = tmp_path / "x.yaml"
        file.write_text("a: [")
        assert shell.run("workflows", "validate", str(file)).returncode == 2
        assert shell.run("workflows", "validate", str(tmp_path / "none")).returncode == 2


async def test_from_a_file_to_the_live_version(person: Person, tmp_path: Path) -> None:
    file, pulled = tmp_path / "order.yaml", tmp_path / "pulled.json"
    file.write_text(write(ORDER))
    pushed = await person.run("workflows", "push", str(file), "Orders", "-e", "staging")
    assert (pushed.returncode, "revision 2" in pushed.stderr) == (0, True), pushed.stderr
    refused = await person.run("workflows", "publish", "Orders", "--require-gates", "high")
    assert (refused.returncode, "start → over → call" in refused.stderr) == (1, True)
    done = await person.run("workflows", "publish", "Orders", "-m", "first")
    assert (done.returncode, "version 1 is live in staging" in done.stderr) == (0, True), done.stderr
    assert "Orders" in await person.get("workflows", "list")
    assert json.loads(await person.get("workflows", "show", "Orders"))["status"] == "deployed"
    assert "nothing changes" in await person.get("workflows", "diff", "Orders", "--risk", "critical")

    assert (await person.run("workflows", "pull", "Orders", str(pulled))).returncode == 0
    definition = json.loads(pulled.read_text())
    assert definition == ORDER
    assert read(await person.get("workflows", "pull", "Orders", "--version", "1"))["steps"] == ORDER["steps"]
    definition["edges"] = [edge for edge in definition["edges"] if edge["from"] != "gate"]
    definition["edges"].append({"from": "gate", "to": "store"})
    definition["steps"][3]["config"]["url"] = "https://elsewhere.example/{{ input.orderId }}"
    pulled.write_text(json.dumps(definition))
    stale = await person.run("workflows", "push", str(pulled), "Orders", "--revision", "1")
    assert (stale.returncode, "stale" in stale.stderr) == (1, True)
    assert (await person.run("workflows", "push", str(pulled), "Orders")).returncode == 0
    lines = (await person.get("workflows", "diff", "Orders")).splitlines()
    assert "+ may touch http https://elsewhere.example (call)" in lines
    assert "- may touch http http://127.0.0.1:9 (call)" in lines
    assert "- edge gate → call on success" in lines
    assert any(line.startswith("! steps.call:") for line in lines)
    missing = await person.run("workflows", "show", "Nothing")
    assert (missing.returncode, "No workflow is named Nothing" in missing.stderr) == (1, True)


async def test_a_broken_draft_is_kept_and_every_problem_told(person: Person, tmp_path: Path) -> None:
    draft = read(BROKEN.read_text())
    file = tmp_path / "broken.yaml"
    file.write_text(write(draft["definition"]))
    pushed = await person.run("workflows", "push", str(file), "Broken")
    assert (pushed.returncode, "10 to mend" in pushed.stderr) == (0, True)
    assert [line.split()[1].rstrip(":") for line in pushed.stdout.splitlines()] == [
        each.split()[0] for each in draft["problems"]
    ]
    assert "error: steps[2].config.body.amount (send): input has no property amout; did you mean" in pushed.stdout
    published = await person.run("workflows", "publish", "Broken")
    assert published.returncode == 1
    assert all(f"  {each.split()[0]}: " in published.stderr for each in draft["problems"])
    answer = json.loads(await person.get("workflows", "push", str(file), "Broken", "--json"))
    assert (answer["draftRevision"], len(answer["problems"])) == (2, 10)


async def test_a_workflow_from_a_template(person: Person) -> None:
    assert "tpl_order_approval" in await person.get("workflows", "templates")
    made = await person.get("workflows", "new", "Shop", "-t", "tpl_order_approval", "--set", "limit=10")
    draft = read(await person.get("workflows", "pull", made.strip()))
    assert (draft["vars"]["limit"], draft["vars"]["ordersUrl"]) == (10, "http://127.0.0.1:7399/orders")
    for wrong in ("limit", "limit=much", "nope=1"):
        done = await person.run("workflows", "new", "Other", "-t", "tpl_order_approval", "--set", wrong)
        assert (done.returncode, bool(done.stderr)) == (2 if wrong == "limit" else 1, True)
