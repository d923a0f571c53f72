import json
import re
from pathlib import Path

from tests.cli.process import Person
from tests.conftest import MakeTenant

LINE = ("track", "-r", "user-123", "-t", "USER", "-a", "CREATE")


class TestTrack:
    async def test_the_line_of_the_guide(self, person: Person) -> None:
        shown = await person.get(*LINE, "-d", '{"email":"user@example.com"}')

        assert shown.splitlines()[0] == "#1 CREATE USER user-123 from CLI"
        assert re.search(r"^interaction [0-9a-f-]{36}$", shown, re.M)
        assert re.search(r"^unit of work [0-9a-f-]{36}$", shown, re.M)

    async def test_every_option_arrives(self, person: Person) -> None:
        uow, span, parent = [(await person.get("uow", "new")).strip() for _ in range(3)]

        row = json.loads(
            await person.get(
                *LINE,
                *("-o", "WEBAPP", "-u", "ada", "--uow", uow, "--span", span, "--parent-span", parent),
                *("--timestamp", "2024-01-15T10:30:00.123456789+02:00", "--external-reference", "pi_1"),
                *("--outcome", "failure", "-d", '{"plan":"starter"}', "--json"),
            )
        )

        assert row["originMnemonic"] == "WEBAPP"
        assert (row["userId"], row["uowId"], row["spanId"], row["parentSpanId"]) == ("ada", uow, span, parent)
        assert (row["createdDate"], row["externalReference"]) == ("2024-01-15T08:30:00.123Z", "pi_1")
        assert (row["outcome"], row["interaction"]) == ("failure", {"plan": "starter"})

    async def test_details_from_a_file_and_from_stdin(self, person: Person, tmp_path: Path) -> None:
        path = tmp_path / "details.json"
        path.write_text('{"from":"file"}')

        by_file = json.loads(await person.get(*LINE, "-d", f"@{path}", "--json"))
        by_stdin = json.loads(await person.get(*LINE, "--stdin", "--json", stdin='{"from":"stdin"}'))

        assert by_file["interaction"] == {"from": "file"}
        assert by_stdin["interaction"] == {"from": "stdin"}

    async def test_quiet_prints_the_id_alone_and_a_key_records_once(self, person: Person) -> None:
        first = await person.get(*LINE, "--quiet", "--idempotency-key", "deploy-7")
        second = await person.get(*LINE, "--quiet", "--idempotency-key", "deploy-7")

        assert re.fullmatch(r"[0-9a-f-]{36}\n", first)
        assert second == first

    async def test_a_conflict_is_refused_with_what_to_do(self, person: Person) -> None:
        await person.get(*LINE, "--idempotency-key", "deploy-7")

        done = await person.run(*LINE, "--idempotency-key", "deploy-7", "-u", "eve")

        assert done.returncode == 1
        assert done.stdout == ""
        assert "idempotency_conflict" in done.stderr
        assert "use a new one" in done.stderr

    async def test_details_that_are_no_object_are_usage(self, person: Person) -> None:
        for wrong in ("{", "[1]", '{"a":1,"a":2}', "@/nowhere/at/all"):
            done = await person.run(*LINE, "-d", wrong)
            assert (done.returncode, done.stdout) == (2, ""), wrong

    async def test_a_missing_option_is_usage(self, person: Person) -> None:
        done = await person.run("track", "-r", "user-123", "-t", "USER")

        assert done.returncode == 2
        assert "--action" in done.stderr

    async def test_a_wrong_key_is_refused_and_says_how_to_set_one(self, person: Person) -> None:
        done = await person.run(*LINE, "--api-key", "pv_wrong_key")

        assert done.returncode == 1
        assert "provenance config set api-key" in done.stderr

    async def test_a_key_that_may_not_write_is_refused(self, person: Person, make_tenant: MakeTenant) -> None:
        reader = await make_tenant(("interactions:read",))

        done = await person.run(*LINE, "--api-key", reader.key)

        assert done.returncode == 1
        assert "missing scope" in done.stderr
