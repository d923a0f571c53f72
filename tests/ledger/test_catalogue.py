"""Resource types, actions and origins: one shape, three prefixes, each verb in each situation."""

import asyncio
import re
import uuid
from collections import Counter
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, text

from provenance.core import ids
from provenance.core.ids import new_uuid, new_uuid_text
from provenance.ledger.catalogue.cache import Kind
from provenance.ledger.service import WORDS_PER_KIND, new_word
from provenance.ledger.tables import catalogue
from tests.conftest import MakeTenant, Running, Tenant
from tests.ledger.test_interactions import SMALL, post, refused

KINDS = {"resource-types": "resourceTypeId", "actions": "actionId", "origins": "originId"}
FIELDS = {
    "title", "mnemonic", "description", "icon", "fontColorHex", "bgColorHex", "isSystem", "autoCreated",
    "createdDate", "modifiedDate", "id",
}  # fmt: skip
WHEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
every_kind = pytest.mark.parametrize("prefix", sorted(KINDS))


async def make(client: httpx.AsyncClient, prefix: str = "actions", **body: Any) -> dict[str, Any]:
    answer = await client.post(f"/api/{prefix}", json={"title": "Approve", "mnemonic": "APPROVE", **body})
    assert answer.status_code == 201, answer.text
    word: dict[str, Any] = answer.json()
    return word


async def problem(answer: httpx.Response) -> tuple[int, str, str]:
    body = answer.json()
    return answer.status_code, body["code"], body["details"][0]["path"] if body["details"] else ""


class TestTheSeed:
    """The documents' own bodies, replayed to the letter."""

    async def test_create_a_resource_type(self, client: httpx.AsyncClient) -> None:
        sent = {
            "title": "User Account",
            "description": "User account resource",
            "mnemonic": "USER",
            "icon": "\U0001f464",
            "fontColorHex": "#ffffff",
            "bgColorHex": "#3b82f6",
        }
        answer = await client.post("/api/resource-types", json=sent)
        assert answer.status_code == 201
        row = answer.json()
        assert {name: row[name] for name in sent} == sent
        assert row["isSystem"] is False
        assert WHEN.fullmatch(row["createdDate"])
        assert WHEN.fullmatch(row["modifiedDate"])

    async def test_create_an_action(self, client: httpx.AsyncClient) -> None:
        sent = {"title": "Create", "mnemonic": "CREATE", "icon": "\u2795", "bgColorHex": "#22c55e"}
        row = await make(client, "actions", **sent)
        assert {name: row[name] for name in sent} == sent
        assert (row["description"], row["fontColorHex"]) == (None, None)

    async def test_create_an_origin(self, client: httpx.AsyncClient) -> None:
        sent = {"title": "Web Application", "mnemonic": "WEBAPP", "icon": "\U0001f310"}
        row = await make(client, "origins", **sent)
        assert {name: row[name] for name in sent} == sent
        assert (row["description"], row["fontColorHex"], row["bgColorHex"]) == (None, None, None)

    async def test_then_record_and_see_the_badges(self, client: httpx.AsyncClient) -> None:
        word = await make(client, "resource-types", title="User Account", mnemonic="USER", icon="\U0001f464")
        row = await post(client)
        assert row["resourceTypeId"] == word["resourceTypeId"]
        assert (row["resourceTypeTitle"], row["resourceTypeIcon"]) == ("User Account", "\U0001f464")
        assert row["resourceTypeBgColorHex"] is None


@every_kind
class TestShape:
    async def test_the_id_comes_first_under_its_kind(self, client: httpx.AsyncClient, prefix: str) -> None:
        row = await make(client, prefix)
        assert next(iter(row)) == KINDS[prefix]
        assert row["id"] == row[KINDS[prefix]]
        assert set(row) == FIELDS | {KINDS[prefix]}

    async def test_every_verb_shows_the_same_row(self, client: httpx.AsyncClient, prefix: str) -> None:
        row = await make(client, prefix)
        url = f"/api/{prefix}/{row['id']}"
        assert (await client.get(url)).json() == row
        assert row in (await client.get(f"/api/{prefix}")).json()
        assert (await client.delete(url)).json() == row
        assert (await client.get(url)).status_code == 404


class TestList:
    async def test_a_bare_array_without_paging(self, client: httpx.AsyncClient) -> None:
        await make(client, "origins")
        listed = (await client.get("/api/origins")).json()
        assert [word["mnemonic"] for word in listed] == ["PLATFORM", "APPROVE"]
        assert (listed[0]["isSystem"], listed[0]["autoCreated"]) == (True, True)

    @pytest.mark.parametrize("name", ["page", "limit", "pageSize"])
    async def test_an_envelope_with_any_of_them(self, client: httpx.AsyncClient, name: str) -> None:
        for number in range(3):
            await make(client, mnemonic=f"A{number}")
        found = (await client.get("/api/actions", params={name: 2})).json()
        expected = {"page": (0, 2, 50), "limit": (2, 1, 2), "pageSize": (2, 1, 2)}[name]
        pagination = found["pagination"]
        assert (len(found["data"]), pagination["page"], pagination["limit"]) == expected
        seen = {name: pagination[name] for name in ("total", "totalPages", "hasNext", "hasPrev")}
        paged_to_two = {"total": 4, "totalPages": 2, "hasNext": True, "hasPrev": False}
        beyond = {"total": 4, "totalPages": 1, "hasNext": False, "hasPrev": True}
        # The actions that record the catalogue's own events are words too: CREATED is the fourth.
        assert seen == (beyond if name == "page" else paged_to_two)

    async def test_filters_contain_and_ignore_case(self, client: httpx.AsyncClient) -> None:
        await make(client, mnemonic="USER_MADE", title="100% made")
        await make(client, mnemonic="USER.LEFT", title="Left")

        async def found(**query: str) -> list[str]:
            return [word["mnemonic"] for word in (await client.get("/api/actions", params=query)).json()]

        assert await found(mnemonic="user") == ["USER_MADE", "USER.LEFT"]
        assert await found(mnemonic="r_m") == ["USER_MADE"]
        assert await found(title="MADE") == ["USER_MADE"]
        assert await found(title="%") == ["USER_MADE"]
        assert await found(mnemonic="user", title="left") == ["USER.LEFT"]
        assert await found(mnemonic="none") == []

    async def test_filters_count_in_the_envelope(self, client: httpx.AsyncClient) -> None:
        await make(client, mnemonic="ONE")
        await make(client, mnemonic="TWO")
        found = (await client.get("/api/actions", params={"mnemonic": "tw", "limit": 1})).json()
        assert found["pagination"]["total"] == 1

    @pytest.mark.parametrize(
        ("query", "path"),
        [("page=0", "page"), ("limit=501", "limit"), ("pageSize=0", "pageSize"), ("page=x", "page"), ("page=", "page")],
    )
    async def test_limits_are_refused_never_clamped(self, client: httpx.AsyncClient, query: str, path: str) -> None:
        assert await problem(await client.get(f"/api/actions?{query}")) == (400, "invalid_request", path)

    async def test_another_workspace_is_invisible(self, client: httpx.AsyncClient, make_tenant: MakeTenant) -> None:
        row = await make(client)
        other = {"x-api-key": (await make_tenant()).key}
        assert (await client.get("/api/actions", headers=other)).json() == []
        for method in ("GET", "PUT", "DELETE"):
            body: dict[str, Any] = {"json": {"title": "x"}} if method == "PUT" else {}
            answer = await client.request(method, f"/api/actions/{row['id']}", headers=other, **body)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


class TestCreate:
    @pytest.mark.parametrize("mnemonic", ["a b", "\u00fc", "x" * 65, f"{uuid.UUID(int=7)}", "", "a/b", "A\n"])
    async def test_a_bad_mnemonic(self, client: httpx.AsyncClient, mnemonic: str) -> None:
        answer = await client.post("/api/actions", json={"title": "T", "mnemonic": mnemonic})
        if mnemonic.strip() == "A":
            assert answer.json()["mnemonic"] == "A"  # the space around a form's input is not part of it
        else:
            assert await problem(answer) == (400, "bad_mnemonic", "mnemonic")

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("title", {"mnemonic": "A"}),
            ("title", {"mnemonic": "A", "title": " "}),
            ("title", {"mnemonic": "A", "title": "x" * 201}),
            ("mnemonic", {"title": "T"}),
            ("mnemonic", {"title": "T", "mnemonic": 7}),
            ("fontColorHex", {"title": "T", "mnemonic": "A", "fontColorHex": "red"}),
            ("bgColorHex", {"title": "T", "mnemonic": "A", "bgColorHex": "#12345g"}),
            ("icon", {"title": "T", "mnemonic": "A", "icon": "x" * 65}),
            ("description", {"title": "T", "mnemonic": "A", "description": "x" * 2001}),
            ("$", []),
        ],
    )
    async def test_the_path_is_named(self, client: httpx.AsyncClient, path: str, body: Any) -> None:
        status, _, found = await problem(await client.post("/api/actions", json=body))
        assert (status, found) == (400, path)

    async def test_the_same_mnemonic_in_another_case_is_taken(self, client: httpx.AsyncClient) -> None:
        await make(client)
        answer = await client.post("/api/actions", json={"title": "T", "mnemonic": "Approve"})
        assert await problem(answer) == (409, "mnemonic_taken", "")

    async def test_the_same_mnemonic_of_another_kind_is_free(self, client: httpx.AsyncClient) -> None:
        await make(client, "actions")
        await make(client, "origins")

    async def test_a_word_made_on_the_fly_is_adopted(self, client: httpx.AsyncClient) -> None:
        row = await post(client, action="approve")
        word = await make(client, title="Approve it", icon="\u2705")
        assert word["actionId"] == row["actionId"]
        assert (word["mnemonic"], word["title"], word["icon"]) == ("approve", "Approve it", "\u2705")
        assert (word["bgColorHex"], word["fontColorHex"], word["autoCreated"]) == (None, None, True)
        again = await client.post("/api/actions", json={"title": "T", "mnemonic": "approve"})
        assert await problem(again) == (409, "mnemonic_taken", "")
        assert (await post(client, action="approve"))["actionTitle"] == "Approve it"

    async def test_an_edited_word_is_not_adopted(self, client: httpx.AsyncClient) -> None:
        row = await post(client)
        await client.put(f"/api/actions/{row['actionId']}", json={"title": "Mine"})
        answer = await client.post("/api/actions", json={"title": "T", "mnemonic": "CREATE"})
        assert await problem(answer) == (409, "mnemonic_taken", "")

    async def test_the_platforms_words_are_taken(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/api/origins", json={"title": "T", "mnemonic": "platform"})
        assert await problem(answer) == (409, "mnemonic_taken", "")

    async def test_a_race_has_one_winner(self, client: httpx.AsyncClient, app: Running, second: Running) -> None:
        async def one(number: int) -> int:
            base = (app, second)[number % 2].url
            answer = await client.post(base + "/api/actions", json={"title": "T", "mnemonic": "RACED"})
            return answer.status_code

        assert Counter(await asyncio.gather(*[one(number) for number in range(8)])) == {201: 1, 409: 7}

    async def test_it_takes_a_number(self, client: httpx.AsyncClient) -> None:
        await make(client)
        assert (await post(client))["interactionNumber"] == 2


class TestUpdate:
    async def test_looks_change_and_dates_show_it(self, client: httpx.AsyncClient) -> None:
        row = await make(client, icon="a", bgColorHex="#000000")
        sent = {"title": "New", "description": "d", "bgColorHex": "#FFFFFF"}
        changed = (await client.put("/api/actions/approve", json=sent)).json()
        assert (changed["title"], changed["description"], changed["icon"]) == ("New", "d", None)
        assert (changed["bgColorHex"], changed["createdDate"]) == ("#FFFFFF", row["createdDate"])
        assert changed["modifiedDate"] >= row["modifiedDate"]
        assert (await post(client, action="APPROVE"))["actionTitle"] == "New"

    @pytest.mark.parametrize("kind", ["resource-types", "actions", "origins"])
    async def test_every_kind_of_word_takes_a_title(self, client: httpx.AsyncClient, kind: str) -> None:
        made = await client.post(f"/api/{kind}", json={"title": "Old", "mnemonic": "WORD"})
        assert made.status_code == 201, made.text
        answer = await client.put(f"/api/{kind}/WORD", json={"title": "New"})
        assert (answer.status_code, answer.json()["title"]) == (200, "New")

    async def test_the_mnemonic_stays(self, client: httpx.AsyncClient) -> None:
        await make(client)
        for mnemonic in ("OTHER", "approve"):
            answer = await client.put("/api/actions/APPROVE", json={"title": "T", "mnemonic": mnemonic})
            assert await problem(answer) == (409, "mnemonic_immutable", "")
        answer = await client.put("/api/actions/APPROVE", json={"title": "T", "mnemonic": "APPROVE"})
        assert answer.status_code == 200

    async def test_system_rows_stay(self, client: httpx.AsyncClient) -> None:
        bodies: dict[str, dict[str, Any]] = {"PUT": {"json": {"title": "T"}}, "DELETE": {}}
        for method, body in bodies.items():
            answer = await client.request(method, "/api/origins/PLATFORM", **body)
            assert await problem(answer) == (409, "system_word", "")

    async def test_a_word_that_a_platform_event_uses_becomes_a_system_row(self, client: httpx.AsyncClient) -> None:
        await make(client)
        answer = await client.put("/api/actions/CREATED", json={"title": "T"})
        assert await problem(answer) == (409, "system_word", "")

    async def test_nothing_there(self, client: httpx.AsyncClient) -> None:
        for reference in ("NOTHING", new_uuid_text()):
            answer = await client.put(f"/api/actions/{reference}", json={"title": "T"})
            assert await problem(answer) == (404, "not_found", "")


class TestDelete:
    async def test_a_word_in_use_stays(self, client: httpx.AsyncClient) -> None:
        await make(client)
        await post(client, action="APPROVE")
        assert await problem(await client.delete("/api/actions/APPROVE")) == (409, "in_use", "")

    async def test_an_unused_word_goes_and_its_name_is_free(self, client: httpx.AsyncClient) -> None:
        row = await make(client)
        assert (await client.delete("/api/actions/approve")).status_code == 200
        assert await refused(client, actionId=row["actionId"]) == (400, "unknown_id", "actionId")
        assert (await post(client, action="APPROVE"))["actionId"] != row["actionId"]

    async def test_deleting_and_using_at_once_leaves_no_dangling_row(
        self, client: httpx.AsyncClient, second: Running
    ) -> None:
        """Either the word was deleted first and made anew, or it was used first and stays."""
        for number in range(6):
            name = f"W{number}"
            await make(client, mnemonic=name)
            deleted, used = await asyncio.gather(
                client.delete(f"/api/actions/{name}"),
                client.post(second.url + "/api/interactions", json={**SMALL, "action": name}),
            )
            assert deleted.status_code in (200, 409)
            assert used.status_code == 201, used.text
            word = (await client.get(f"/api/actions/{name}")).json()
            assert word["actionId"] == used.json()["actionId"]

    async def test_nothing_there(self, client: httpx.AsyncClient) -> None:
        assert await problem(await client.delete("/api/actions/NOTHING")) == (404, "not_found", "")


class TestReferences:
    async def test_id_or_mnemonic_in_any_case(self, client: httpx.AsyncClient) -> None:
        row = await make(client)
        for reference in (row["id"], row["id"].upper(), "APPROVE", "approve"):
            assert (await client.get(f"/api/actions/{reference}")).json() == row

    async def test_an_id_of_another_kind_is_nothing_here(self, client: httpx.AsyncClient) -> None:
        row = await make(client, "origins")
        assert (await client.get(f"/api/actions/{row['id']}")).status_code == 404

    @pytest.mark.parametrize("reference", ["%00", "%ff", "%F0%9F%98%80", "x" * 3000, "a%2Fb", "%20"])
    async def test_odd_references_are_no_crash(self, client: httpx.AsyncClient, reference: str) -> None:
        for method in ("GET", "DELETE"):
            answer = await client.request(method, f"/api/actions/{reference}")
            assert answer.status_code in (400, 404), answer.text

    @pytest.mark.parametrize("query", ["title=%ff", "mnemonic=" + "x" * 201, "title=%", "title[]=&&&=", "%00=%00"])
    async def test_odd_filters_are_no_crash(self, client: httpx.AsyncClient, query: str) -> None:
        assert (await client.get(f"/api/actions?{query}")).status_code in (200, 400)

    async def test_nul_is_refused_where_it_stands(self, client: httpx.AsyncClient) -> None:
        assert await problem(await client.get("/api/actions?title=a%00")) == (400, "nul_character", "title")
        assert await problem(await client.get("/api/actions/%00")) == (400, "nul_character", "reference")


class TestStrict:
    @pytest.fixture
    async def strict(self, client: httpx.AsyncClient, app: Running, workspace: Tenant) -> httpx.AsyncClient:
        await post(client)
        await set_strict(app, workspace)
        return client

    async def test_unknown_words_are_refused(self, strict: httpx.AsyncClient) -> None:
        assert await refused(strict, action="NEW") == (400, "unknown_mnemonic", "action")
        answer = await strict.post("/api/interactions/batch?mode=partial", json=[SMALL, {**SMALL, "origin": "NEW"}])
        assert [item["status"] for item in answer.json()["items"]] == ["created", "failed"]
        assert answer.json()["items"][1]["error"]["details"][0]["path"] == "[1].origin"

    async def test_known_words_and_explicit_ones_are_taken(self, strict: httpx.AsyncClient) -> None:
        await post(strict)
        await make(strict)
        await post(strict, action="APPROVE")


class TestFull:
    """A workspace with as many actions as it may have, put there directly."""

    @pytest.fixture
    async def full(self, client: httpx.AsyncClient, app: Running, workspace: Tenant) -> httpx.AsyncClient:
        await post(client)
        words = [new_word(Kind.ACTION, f"FILL_{number}") for number in range(WORDS_PER_KIND - 1)]
        async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
            await tx.execute(insert(catalogue), [{"workspace_id": tx.workspace_id, **word} for word in words])
        return client

    async def test_one_more_is_refused_and_the_known_ones_go_on(self, full: httpx.AsyncClient) -> None:
        assert await refused(full, action="NEW") == (400, "catalogue_full", "action")
        answer = await full.post("/api/actions", json={"title": "T", "mnemonic": "NEW"})
        assert await problem(answer) == (400, "catalogue_full", "mnemonic")
        assert (await post(full, action="FILL_7", origin="NEW"))["actionMnemonic"] == "FILL_7"
        answer = await full.post("/api/interactions/batch?mode=partial", json=[{**SMALL, "action": "NEW"}, SMALL])
        assert [item["status"] for item in answer.json()["items"]] == ["failed", "created"]
        assert len((await full.get("/api/actions")).json()) == WORDS_PER_KIND


async def set_strict(app: Running, workspace: Tenant) -> None:
    async with app.ledger.db.housekeeping(ids.decode("ws", workspace.id)) as tx:
        await tx.execute(
            text(
                "UPDATE ledger_settings SET strict_catalogue = true, catalogue_version = catalogue_version + 1"
                " WHERE workspace_id = :id"
            ),
            {"id": tx.workspace_id},
        )
    app.ledger.catalogues.forget(tx.workspace_id)


def test_ids_of_words_sort_by_time() -> None:
    assert new_uuid() < new_uuid()
