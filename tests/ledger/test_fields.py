"""Fields: the paths of documents, what the feed's handler keeps of them, and how they are listed."""

import asyncio
import uuid

import httpx
import pytest

from provenance.core.ids import decode
from provenance.features import load_tasks
from provenance.ledger.feed import queries as feed
from provenance.ledger.feed import registered
from provenance.ledger.feed.handing import hand
from provenance.ledger.fields.paths import key, parse
from provenance.ledger.fields.walking import ELEMENTS, MEMBERS, Fields
from provenance.ledger.service import Fact, record
from tests.conftest import MakeTenant, Running, Tenant


async def discovered(app: Running, workspace: Tenant) -> None:
    """Hand what was recorded to the handler that discovers fields."""
    load_tasks()
    workspace_id = decode("ws", workspace.id)
    assert workspace_id is not None
    (handler,) = [each for each in registered if each.name == "provenance.ledger.fields.tasks.discover"]
    async with app.ledger.db.housekeeping(workspace_id) as tx:
        await feed.begin(tx, [handler.name])
    while (await hand(app.ledger.db, app.ledger.catalogues, handler, workspace_id)).rows:
        pass


def interaction(action: str = "CREATE", /, **data: object) -> dict[str, object]:
    return {"resourceId": "o-1", "resourceType": "ORDER", "action": action, "origin": "SHOP", "interaction": data}


async def post(client: httpx.AsyncClient, *items: dict[str, object]) -> None:
    answer = await client.post("/api/interactions/batch", json=list(items))
    assert answer.status_code == 201, answer.text


class TestPaths:
    @pytest.mark.parametrize(
        ("path", "keys"),
        [
            ("total", ["total"]),
            ("address.city", ["address", "city"]),
            ('labels."app.name"', ["labels", "app.name"]),
            ('""."a b"', ["", "a b"]),
            ("größe.単価", ["größe", "単価"]),
            (r'"say \"[]\""', ['say "[]"']),
        ],
    )
    def test_a_path_is_its_keys_and_back(self, path: str, keys: list[str]) -> None:
        assert parse(path) == keys
        assert ".".join(key(each) for each in keys) == path

    @pytest.mark.parametrize(
        "path", ["", ".", "a.", ".a", "a..b", "a b", "items[].price", "a[0]", '"open', '"\\x"', "a.b.c.d.e.f.g.h.i"]
    )
    def test_what_is_no_path_is_refused(self, path: str) -> None:
        with pytest.raises(ValueError, match=r"\w"):
            parse(path)

    @pytest.mark.parametrize("path", ["x" * 401, '"a\\u0000b"', '"\\ud800"'])
    def test_what_no_document_holds_is_refused(self, path: str) -> None:
        with pytest.raises(ValueError, match=r"longer|character"):
            parse(path)


class TestWalking:
    def test_every_value_is_counted_at_its_place(self) -> None:
        fields = Fields()
        fields.add(
            {"total": 1, "tags": ["a", "b", 3], "at": {"city": None, "x.y": True}, "lines": [{"n": 1}, {"n": "2"}]}
        )
        fields.add({"total": 2.5, "tags": []})
        assert sorted(fields) == [
            ("at", "object", 1),
            ('at."x.y"', "boolean", 1),
            ("at.city", "null", 1),
            ("lines", "array", 1),
            ("lines[]", "object", 2),
            ("lines[].n", "number", 1),
            ("lines[].n", "string", 1),
            ("tags", "array", 2),
            ("tags[]", "number", 1),
            ("tags[]", "string", 2),
            ("total", "number", 2),
        ]

    def test_depth_width_and_length_are_bounded(self) -> None:
        fields = Fields()
        deep: dict[str, object] = {}
        for _ in range(20):
            deep = {"d": deep}
        fields.add({"deep": deep, "x" * 401: 1, "long": [0] * 1000, "wide": {f"k{at}": 1 for at in range(1000)}})
        counted = {path: times for path, _, times in fields}
        assert max(path.count(".") + 1 for path in counted) == 8
        assert not any("xx" in path for path in counted)
        assert counted["long[]"] == ELEMENTS
        assert sum(1 for path in counted if path.startswith("wide.")) == MEMBERS


class TestList:
    async def test_fields_are_listed_by_type_action_and_path(
        self, app: Running, client: httpx.AsyncClient, workspace: Tenant
    ) -> None:
        await post(client, interaction(total=1, customer={"city": "Bern"}), interaction(total="2"))
        await discovered(app, workspace)
        await post(client, interaction(total=3), interaction("CANCEL", reason="late"))
        await discovered(app, workspace)
        answer = await client.get("/api/interaction-fields")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["pagination"]["total"] == 4
        assert [(each["action"], each["path"], each["count"]) for each in found["data"]] == [
            ("CANCEL", "reason", 1),
            ("CREATE", "customer", 1),
            ("CREATE", "customer.city", 1),
            ("CREATE", "total", 3),
        ]
        total = found["data"][3]
        assert total["resourceType"] == "ORDER"
        assert total["types"] == [{"type": "number", "count": 2}, {"type": "string", "count": 1}]

    async def test_the_list_narrows_and_pages(self, app: Running, client: httpx.AsyncClient, workspace: Tenant) -> None:
        await post(client, interaction(a=1, b=1, c=1), interaction("CANCEL", d=1))
        await discovered(app, workspace)

        async def paths(**query: str | int) -> list[str]:
            answer = await client.get("/api/interaction-fields", params=query)
            assert answer.status_code == 200, answer.text
            return [each["path"] for each in answer.json()["data"]]

        assert await paths(resourceType="order", action="CREATE") == ["a", "b", "c"]
        assert await paths(action="CANCEL") == ["d"]
        assert await paths(action="NEVER_SEEN") == []
        assert await paths(action=str(uuid.uuid4())) == []
        assert await paths(limit=2, page=2) == ["b", "c"]
        refused = await client.get("/api/interaction-fields", params={"limit": 501})
        assert (refused.status_code, refused.json()["details"][0]["path"]) == (400, "limit")

    async def test_no_more_than_500_paths_are_kept_for_a_pair(
        self, app: Running, client: httpx.AsyncClient, workspace: Tenant
    ) -> None:
        for part in range(3):
            await post(client, *[interaction(**{f"k{part}-{at}": 1 for at in range(100)}) for _ in range(2)])
            await post(client, *[interaction(**{f"m{part}-{at}": 1 for at in range(100)}) for _ in range(2)])
            await discovered(app, workspace)
        await post(client, interaction("CANCEL", fine=True), interaction(**{"k0-0": "another type"}))
        await discovered(app, workspace)
        answer = await client.get("/api/interaction-fields", params={"action": "CREATE", "limit": 1})
        assert answer.json()["pagination"]["total"] == 500
        assert [each["type"] for each in answer.json()["data"][0]["types"]] == ["number", "string"]
        others = await client.get("/api/interaction-fields", params={"action": "CANCEL"})
        assert others.json()["pagination"]["total"] == 1

    async def test_another_workspace_sees_none_of_it(
        self, app: Running, client: httpx.AsyncClient, workspace: Tenant, make_tenant: MakeTenant
    ) -> None:
        await post(client, interaction(secret_shape=1))
        await discovered(app, workspace)
        other = await make_tenant()
        answer = await client.get("/api/interaction-fields", headers={"x-api-key": other.key})
        assert answer.json()["data"] == []

    async def test_fields_of_platform_rows_are_for_those_who_may_read_them(
        self, app: Running, workspace: Tenant, make_tenant: MakeTenant, client: httpx.AsyncClient
    ) -> None:
        reader = await make_tenant(("interactions:read",), into=workspace.id)
        auditor = await make_tenant(("interactions:read", "audit:read"), into=workspace.id)
        await post(client, interaction(total=1))
        async with app.ledger.db.housekeeping(decode("ws", workspace.id)) as tx:
            record(tx, Fact(resource_type="MEMBER", action="ADDED", resource_id="user_1", data={"role": "admin"}))
        await discovered(app, workspace)

        async def types(tenant: Tenant) -> set[str]:
            answer = await client.get("/api/interaction-fields", headers={"x-api-key": tenant.key})
            return {each["resourceType"] for each in answer.json()["data"]}

        assert await types(reader) == {"ORDER"}
        assert await types(auditor) == {"ORDER", "MEMBER"}

    async def test_rows_handed_at_once_in_many_workspaces_never_wait_crosswise(
        self, app: Running, make_tenant: MakeTenant, client: httpx.AsyncClient
    ) -> None:
        tenants = [await make_tenant() for _ in range(4)]
        for tenant in tenants:
            answer = await client.post(
                "/api/interactions/batch",
                json=[interaction(f"A{at % 7}", **{f"f{at % 11}": at}) for at in range(200)],
                headers={"x-api-key": tenant.key},
            )
            assert answer.status_code == 201
        await asyncio.gather(*[discovered(app, tenant) for tenant in tenants])
        for tenant in tenants:
            answer = await client.get("/api/interaction-fields?action=A0&limit=500", headers={"x-api-key": tenant.key})
            assert answer.json()["pagination"]["total"] == 11
