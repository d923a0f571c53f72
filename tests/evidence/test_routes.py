"""Asking for evidence over HTTP: what is found, pinned, written, and the same each time."""

import io
import json
import uuid
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from provenance.core.db import asyncpg_dsn
from provenance.ledger.interactions.filters import Filters
from provenance.ledger.log.heads import Heads
from provenance.ledger.log.integrating import Integrator
from provenance.ledger.log.reopening import rotate_key
from provenance.proof.json_proof import verify_json_proof
from provenance.proof.notes import VerifierKey
from provenance.proof.standalone import verify_pack
from tests.conftest import MakeTenant, Running, Tenant
from tests.evidence.conftest import UOW, Sign, ask, key_of, lines_of, pack_of, post, read

OTHER = "00000000-0000-4000-8000-000000000001"


def outcome_of(pack: bytes, key: str) -> verify_pack.Outcome:
    return verify_pack.verify(io.BytesIO(pack), [verify_pack.Key(key)])


class TestCreate:
    async def test_a_pack_proves_what_was_asked_for(self, client: httpx.AsyncClient, sign: Sign) -> None:
        await post(client, 3)
        await post(client, 2, uow=OTHER)
        await sign()
        made = await ask(client)
        assert (made["records"], made["firstNumber"], made["lastNumber"], made["treeSize"]) == (3, 1, 3, 5)
        assert made["filter"] == {"uowId": UOW}
        pack = (await client.get(f"/api/evidence/{made['id']}/download")).content
        outcome = outcome_of(pack, await key_of(client))
        assert [finding.sentence for finding in outcome.findings if not finding.passed] == []
        assert (outcome.proven, outcome.trusted) == (True, True)
        assert [line["content"]["resourceId"] for line in lines_of(pack)] == ["door-0", "door-1", "door-2"]

    async def test_each_proof_stands_alone(self, client: httpx.AsyncClient, sign: Sign) -> None:
        await post(client, 3)
        await sign()
        pack = await pack_of(client)
        keys = [VerifierKey.parse(await key_of(client))]
        for number in (1, 2, 3):
            assert verify_json_proof(read(pack, f"proofs/{number}.json"), keys).proven

    async def test_twice_the_same_bytes_also_when_the_log_grew(self, client: httpx.AsyncClient, sign: Sign) -> None:
        await post(client, 300)
        await sign()
        await post(client, 10, uow=OTHER)
        await sign()
        first = await pack_of(client)
        await post(client, 700, uow=OTHER)
        await sign()
        second = await client.post("/api/evidence", json={"filters": {"uowId": UOW}})
        assert second.status_code == 200
        assert await pack_of(client) == first
        assert (await client.get("/api/evidence")).json()["pagination"]["total"] == 1
        assert outcome_of(first, await key_of(client)).proven

    async def test_a_pack_made_later_shows_that_the_log_grew(
        self, app: Running, client: httpx.AsyncClient, sign: Sign, workspace_id: uuid.UUID
    ) -> None:
        await post(client, 5)
        await sign()
        await post(client, 400, uow=OTHER)
        await sign()
        pack = await pack_of(client)
        outcome = outcome_of(pack, await key_of(client))
        assert outcome.proven, [finding.shown() for finding in outcome.findings]
        assert "grew to 405" in outcome.findings[-2].sentence
        assert "exactly these 5 name the id" in outcome.findings[-1].sentence
        assert json.loads(read(pack, "manifest.json"))["treeSize"] == 5

    async def test_the_first_key_is_enough_after_the_log_took_another(
        self, app: Running, client: httpx.AsyncClient, sign: Sign, workspace_id: uuid.UUID
    ) -> None:
        await post(client, 3)
        await sign()
        first, before = await key_of(client), await pack_of(client)
        generation = await app.ledger.keyring.rotate(workspace_id)
        async with app.ledger.db.housekeeping(workspace_id) as tx:
            await rotate_key(tx, await app.ledger.keyring.within(tx), generation)
        assert await pack_of(client) == before
        await post(client, 3)
        await sign()
        after = await pack_of(client)
        assert await key_of(client) != first
        outcome = outcome_of(after, first)
        assert outcome.proven, [finding.shown() for finding in outcome.findings]
        assert (outcome.trusted, outcome.signer) == (True, await key_of(client))

    async def test_more_rows_that_match_are_other_evidence(self, client: httpx.AsyncClient, sign: Sign) -> None:
        await post(client, 2)
        await sign()
        first = await ask(client)
        await post(client, 1)
        await sign()
        second = await ask(client)
        assert (first["records"], second["records"]) == (2, 3)
        listed = (await client.get("/api/evidence", params={"limit": 1})).json()
        assert [each["id"] for each in listed["data"]] == [second["id"]]
        assert (listed["pagination"]["total"], listed["data"][0]["lastNumber"]) == (2, second["lastNumber"])
        assert (await client.get(f"/api/evidence/{first['id']}")).json() == first

    async def test_asking_is_recorded(self, client: httpx.AsyncClient, sign: Sign) -> None:
        await post(client, 2)
        await sign()
        made = await ask(client)
        [row] = (await client.get("/api/interactions", params={"resourceType": "EVIDENCE"})).json()["data"]
        assert (row["resourceId"], row["actionMnemonic"], row["platform"]) == (made["id"], "CREATED", True)
        assert row["interaction"] == {"asked": ["uowId"], "records": 2, "treeSize": 2}

    @pytest.mark.parametrize(
        ("filters", "found"),
        [
            ({"resourceId": ["door-1", "door-2"]}, 2),
            ({"resourceId": "door-*"}, 4),
            ({"resourceType": "door", "action": ["open"]}, 4),
            ({"userId": "ada", "where": "interaction.at > 1"}, 2),
            ({"q": "KEY"}, 4),
            ({"from": "2020-01-01", "to": "2199-01-01"}, 4),
            ({"uowId": UOW, "platform": "exclude", "outcome": None}, 4),
        ],
    )
    async def test_every_kind_of_filter(
        self, client: httpx.AsyncClient, sign: Sign, filters: dict[str, Any], found: int
    ) -> None:
        await post(client, 4)
        await sign()
        pack = await pack_of(client, **filters)
        outcome = outcome_of(pack, await key_of(client))
        assert (outcome.proven, len(lines_of(pack))) == (True, found), [each.shown() for each in outcome.findings]

    async def test_the_same_question_in_other_words_is_the_same(self, client: httpx.AsyncClient, sign: Sign) -> None:
        await post(client, 4)
        await sign()
        first = await ask(client, resourceId=["door-2", "door-1"], action="open")
        second = await ask(client, resourceId=["door-1", "door-2", "door-1"], action=["OPEN"])
        assert first == second

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            ({"filters": {}}, 400, "nothing_asked"),
            ({"filters": {"q": " "}}, 400, "nothing_asked"),
            ({"filters": {"resourceId": "*"}}, 400, "nothing_asked"),
            ({}, 400, "invalid_request"),
            ({"filters": {"uowId": "x"}}, 400, "invalid_request"),
            ({"filters": {"where": "1 +"}}, 400, "invalid_expression"),
            ({"filters": {"userId": "nobody"}, "completeness": False}, 404, "nothing_found"),
            ({"filters": {"userId": "nobody", "platform": "exclude"}}, 404, "nothing_found"),
            ({"filters": {"resourceId": "nothing-*"}}, 404, "nothing_found"),
            ({"filters": {"action": "NEVER"}}, 404, "nothing_found"),
            ({"filters": {"uowId": UOW}, "more": 1}, 400, "invalid_request"),
        ],
    )
    async def test_what_is_refused(
        self, client: httpx.AsyncClient, sign: Sign, body: dict[str, Any], status: int, code: str
    ) -> None:
        await post(client, 1)
        await sign()
        answer = await client.post("/api/evidence", json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)

    async def test_rows_under_no_head_are_waited_for(self, client: httpx.AsyncClient, sign: Sign) -> None:
        await post(client, 1)
        await sign()
        await post(client, 1)
        answer = await client.post("/api/evidence", json={"filters": {"uowId": UOW}})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_integrated")
        assert answer.headers["retry-after"] == "1"

    async def test_more_than_a_pack_holds(
        self, client: httpx.AsyncClient, sign: Sign, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("provenance.evidence.selecting.MOST_RECORDS", 3)
        await post(client, 4)
        await sign()
        answer = await client.post("/api/evidence", json={"filters": {"uowId": UOW}})
        assert (answer.status_code, answer.json()["code"]) == (400, "too_many_records")

    async def test_records_in_several_pieces_without_single_proofs(
        self, client: httpx.AsyncClient, sign: Sign, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("provenance.evidence.sealed.ROWS_AT_ONCE", 100)
        monkeypatch.setattr("provenance.evidence.selecting._ROWS_AT_ONCE", 70)
        monkeypatch.setattr("provenance.evidence.packing.MOST_PROOFS", 10)
        monkeypatch.setattr("provenance.evidence.time_line.MOST_ROWS", 20)
        await post(client, 300)
        await sign()
        pack = await pack_of(client)
        assert outcome_of(pack, await key_of(client)).proven
        assert [line["number"] for line in lines_of(pack)] == list(range(1, 301))
        assert not [name for name in zipfile.ZipFile(io.BytesIO(pack)).namelist() if name.startswith("proofs/")]
        assert b"280 more records" in read(pack, "report.html")


class TestCompleteness:
    @pytest.mark.parametrize(
        ("filters", "found"), [({"uowId": UOW}, 4), ({"userId": "ada"}, 4), ({"resourceId": "door-2"}, 1)]
    )
    async def test_nothing_is_left_out(
        self, client: httpx.AsyncClient, sign: Sign, filters: dict[str, Any], found: int
    ) -> None:
        await post(client, 4)
        await post(client, 2, uow=OTHER, userId="eve", resourceId="window")
        await sign()
        assert (await ask(client, **filters))["complete"]
        pack = await pack_of(client, **filters)
        outcome = outcome_of(pack, await key_of(client))
        assert outcome.proven, [finding.shown() for finding in outcome.findings]
        assert outcome.findings[-1].subject == "completeness"
        assert f"exactly these {found} name the id" in outcome.findings[-1].sentence
        page = read(pack, "report.html").decode()
        assert "These are all the records." in page
        assert ("discloses the workspace&#x27;s index key" in page) == ("uowId" not in filters)

    async def test_a_filter_of_more_than_one_id_says_that_it_is_open(
        self, client: httpx.AsyncClient, sign: Sign
    ) -> None:
        await post(client, 4)
        await sign()
        for filters in ({"uowId": UOW, "action": "OPEN"}, {"resourceId": ["door-1", "door-2"]}, {"resourceId": "d*"}):
            assert not (await ask(client, **filters))["complete"]
        page = read(await pack_of(client, action="OPEN"), "report.html").decode()
        assert "That these are all records of their kind" in page

    async def test_it_can_be_left_out(self, client: httpx.AsyncClient, sign: Sign) -> None:
        await post(client, 4)
        await sign()
        body = {"filters": {"userId": "ada"}, "completeness": False}
        made = (await client.post("/api/evidence", json=body)).json()
        pack = (await client.get(f"/api/evidence/{made['id']}/download")).content
        assert not made["complete"]
        assert "completeness.json" not in zipfile.ZipFile(io.BytesIO(pack)).namelist()
        assert outcome_of(pack, await key_of(client)).proven

    async def test_a_map_that_is_behind_is_waited_for(
        self, app: Running, client: httpx.AsyncClient, sign: Sign, workspace_id: uuid.UUID, tmp_path: Path
    ) -> None:
        await post(client, 1)
        await sign()
        await post(client, 1)
        await Integrator(app.ledger, Heads(tmp_path / "more")).integrate([workspace_id])
        answer = await client.post("/api/evidence", json={"filters": {"uowId": UOW}})
        assert (answer.status_code, answer.json()["code"]) == (404, "map_behind")
        await sign()
        assert (await ask(client))["records"] == 2

    async def test_more_rows_than_an_answer_lists(
        self, client: httpx.AsyncClient, sign: Sign, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("provenance.ledger.completeness.service.INDICES_LISTED", 3)
        await post(client, 4)
        await sign()
        outcome = outcome_of(await pack_of(client), await key_of(client))
        assert outcome.proven
        assert outcome.findings[-1].subject == "completeness"


class TestAbsence:
    @pytest.mark.parametrize("filters", [{"userId": "nobody"}, {"resourceId": "window"}, {"uowId": OTHER}])
    async def test_that_there_is_none_is_proven(
        self, client: httpx.AsyncClient, sign: Sign, filters: dict[str, Any]
    ) -> None:
        await post(client, 4)
        await sign()
        made = await ask(client, **filters)
        assert (made["records"], made["firstNumber"], made["lastNumber"], made["complete"]) == (0, None, None, True)
        pack = (await client.get(f"/api/evidence/{made['id']}/download")).content
        outcome = outcome_of(pack, await key_of(client))
        assert (outcome.proven, outcome.trusted) == (True, True), [each.shown() for each in outcome.findings]
        sentences = [finding.sentence for finding in outcome.findings]
        assert "There is none: not one of the log's first 4 entries names the id." in sentences
        assert (lines_of(pack), read(pack, "records.ndjson")) == ([], b"")
        page = read(pack, "report.html").decode()
        outline = _Outline()
        outline.feed(page)
        assert "Not one of the log's first 4 entries names what was asked for" in page
        assert ("There is no such record." in page, "Time line" in page, outline.open) == (True, False, [])
        await post(client, 300, uow=UOW)
        await sign()
        assert await pack_of(client, **filters) == pack
        assert (await client.get("/api/evidence")).json()["data"] == [made]

    async def test_nothing_is_signed_yet(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/api/evidence", json={"filters": {"userId": "nobody"}})
        assert (answer.status_code, answer.json()["code"]) == (404, "nothing_found")

    async def test_a_map_that_covers_too_little_is_waited_for(
        self, app: Running, client: httpx.AsyncClient, sign: Sign, workspace_id: uuid.UUID, tmp_path: Path
    ) -> None:
        await post(client, 90)
        await sign()
        await post(client, 9)
        more = Integrator(app.ledger, Heads(tmp_path / "more"))
        await more.integrate([workspace_id])
        pack = await pack_of(client, userId="nobody")
        assert "first 90 entries" in outcome_of(pack, await key_of(client)).findings[-1].sentence
        await post(client, 9)
        await more.integrate([workspace_id])
        answer = await client.post("/api/evidence", json={"filters": {"userId": "nobody"}})
        assert (answer.status_code, answer.json()["code"]) == (404, "map_behind")


class TestAccess:
    async def test_another_workspace_sees_nothing_of_it(
        self, app: Running, client: httpx.AsyncClient, sign: Sign, make_tenant: MakeTenant
    ) -> None:
        await post(client, 1)
        await sign()
        made = await ask(client)
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": (await make_tenant()).key}) as other:
            for path in (f"/api/evidence/{made['id']}", f"/api/evidence/{made['id']}/download", "/api/evidence/x"):
                assert (await other.get(path)).json()["code"] == "evidence_not_found"
            assert (await other.get("/api/evidence")).json()["data"] == []

    async def test_reading_interactions_is_not_enough(
        self, app: Running, workspace: Tenant, make_tenant: MakeTenant
    ) -> None:
        reader = await make_tenant(("interactions:read",), into=workspace.id)
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": reader.key}) as other:
            assert (await other.get("/api/evidence")).json()["code"] == "missing_scope"


class TestTampering:
    @pytest.mark.parametrize(
        "change",
        [
            "content = replace(content, 'ada', 'eve')",
            "recorded_by = 'someone else'",
            "salt = NULL",
            "content = NULL",
        ],
    )
    async def test_no_pack_is_written_of_a_row_that_was_changed(
        self, app: Running, client: httpx.AsyncClient, sign: Sign, workspace_id: uuid.UUID, change: str
    ) -> None:
        await post(client, 3)
        await sign()
        made = await ask(client)
        connection = await asyncpg.connect(asyncpg_dsn(app.ledger.db.url))
        await connection.execute(
            f"UPDATE interactions SET {change} WHERE workspace_id = $1 AND number = 2", workspace_id
        )
        await connection.close()
        answer = await client.get(f"/api/evidence/{made['id']}/download")
        assert (answer.status_code, answer.json()["code"]) == (409, "row_differs")
        assert "number 2" in answer.json()["error"]


class _Outline(HTMLParser):
    """What a page is made of: its tags, and whether each one is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag != "meta":
            self.open.append(tag)
        assert not [name for name, value in attrs if name.startswith("on") or "//" in (value or "")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


class TestReport:
    async def test_it_is_one_page_that_fetches_and_runs_nothing(self, client: httpx.AsyncClient, sign: Sign) -> None:
        evil = "<script>alert(1)</script>"
        await post(client, 2, userId=evil, interaction={"note": evil})
        await sign()
        page = read(await pack_of(client, userId=evil), "report.html").decode()
        outline = _Outline()
        outline.feed(page)
        assert (outline.open, outline.seen & {"script", "link", "img", "iframe"}) == ([], set())
        for words in ("What was asked", "What was found", "What was checked", "What this does not show", "Time line"):
            assert words in outline.text
        assert evil in outline.text
        assert await key_of(client) in outline.text

    def test_every_filter_has_a_name_for_people(self) -> None:
        from provenance.evidence.report import _NAMES

        names = {field.alias or name for name, field in Filters.model_fields.items()}
        ids = {"resourceTypeId", "actionId", "originId"}
        assert names - ids - {"startDate", "endDate"} <= _NAMES.keys()


class TestRecords:
    async def test_rows_as_they_are_sealed(self, client: httpx.AsyncClient, sign: Sign) -> None:
        await post(client, 5)
        await sign()
        found = (await client.get("/api/log/records", params={"from": 2, "limit": 3})).json()["records"]
        assert [each["number"] for each in found] == [2, 3, 4]
        assert found[0]["index"] == {"resourceId": "door-1", "userId": "ada", "externalReference": None}
        assert (found[0]["masked"], len(found[0]["salt"])) == (False, 32)

    async def test_platform_rows_are_masked_for_a_reader(
        self, app: Running, client: httpx.AsyncClient, sign: Sign, workspace: Tenant, make_tenant: MakeTenant
    ) -> None:
        await post(client, 1)
        await sign()
        await ask(client)
        reader = await make_tenant(("interactions:read",), into=workspace.id)
        async with httpx.AsyncClient(base_url=app.url, headers={"x-api-key": reader.key}) as other:
            rows = (await other.get("/api/log/records")).json()["records"]
        assert [(row["masked"], row["content"] is None, row["salt"] is None) for row in rows[:1]] == [
            (False, False, False)
        ]
        hidden = [row for row in rows if row["envelope"]["platform"]]
        assert hidden
        assert all(
            (row["masked"], row["content"], row["salt"], row["index"]) == (True, None, None, None) for row in hidden
        )
