"""The routes of skills over HTTP: what makes a version, what a package must be, what a call answers."""

from hashlib import sha256
from typing import Any

import httpx
import pytest

from tests.conftest import MakeTenant, Running, Tenant
from tests.secrets.canaries import canary, events
from tests.skills.packages import MAIN, made, packed, upload

MEMBERS = {
    "skillId", "workspaceId", "name", "description", "runtime", "runtimeVersion", "handler", "inputSchema",
    "outputSchema", "connectionId", "secretRefs", "trustLevel", "riskLevel", "limits", "egress", "packageId",
    "packageSha256", "status", "version", "createdAt", "createdBy", "updatedAt", "updatedBy",
}  # fmt: skip


async def run(client: httpx.AsyncClient, skill: dict[str, Any], given: Any = None, **more: Any) -> httpx.Response:
    return await client.post(f"/skills/{skill['skillId']}/run", json={"input": given, **more})


class TestCreate:
    async def test_a_skill_is_a_draft_until_its_package_arrives(
        self, client: httpx.AsyncClient, app: Running, workspace: Tenant
    ) -> None:
        draft = await made(client, None)
        assert draft.keys() == MEMBERS
        assert (draft["status"], draft["version"], draft["packageId"]) == ("draft", 1, None)
        refused = await run(client, draft)
        assert (refused.status_code, refused.json()["code"]) == (409, "no_active_package")
        content = packed({"main.py": MAIN})
        arrived = (await upload(client, draft["skillId"], content)).json()
        assert (arrived["version"], arrived["active"], arrived["handler"]) == (1, True, "main:run")
        ready = (await client.get(f"/skills/{draft['skillId']}")).json()
        assert (ready["status"], ready["version"], ready["handler"]) == ("ready", 1, "main:run")
        assert ready["packageSha256"] == sha256(content).hexdigest()
        assert ready["runtimeVersion"].startswith("3.")
        names = [name for name, _, _ in await events(app, workspace, "skill", "secret")]
        assert names == ["skill.created", "skill.updated", "skill.package_uploaded"]

    async def test_a_name_is_taken_once_and_is_safe_for_tools(self, client: httpx.AsyncClient) -> None:
        await made(client, None)
        again = await client.post("/skills", json={"name": "trial"})
        assert (again.status_code, again.json()["code"]) == (409, "skill_name_taken")
        assert (await client.post("/skills", json={"name": "No Tool"})).status_code == 400

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"inputSchema": {"type": "nonsense"}}, "bad_schema"),
            ({"egress": {"mode": "none", "hosts": ["a.example"]}}, "bad_egress"),
            ({"egress": {"mode": "allowlist"}}, "bad_egress"),
            ({"runtime": "wasm", "secretRefs": ["x"]}, "bad_egress"),
            ({"runtime": "ruby"}, "invalid_request"),
            ({"limits": {"memoryMb": 4096}}, "invalid_request"),
        ],
    )
    async def test_refuses_what_can_not_be(self, client: httpx.AsyncClient, body: dict[str, Any], code: str) -> None:
        answer = await client.post("/skills", json={"name": "trial", **body})
        assert (answer.status_code, answer.json()["code"]) == (400, code)


class TestUpdate:
    async def test_code_schema_and_limits_make_a_version_and_words_none(self, client: httpx.AsyncClient) -> None:
        skill = await made(client)
        path = f"/skills/{skill['skillId']}"
        assert (await client.patch(path, json={"description": "other", "trustLevel": "high"})).json()["version"] == 1
        assert (await client.patch(path, json={"limits": {"timeoutSeconds": 5}})).json()["version"] == 2
        assert (await client.patch(path, json={"inputSchema": {"type": "object"}})).json()["version"] == 3
        second = (await upload(client, skill["skillId"], packed({"main.py": "def run(input):\n    return 2\n"}))).json()
        assert second["active"] is False
        assert (await run(client, skill, {})).json()["output"] == {"got": {}}
        active = (await client.patch(path, json={"activatePackage": second["packageId"]})).json()
        assert (active["version"], active["packageId"]) == (4, second["packageId"])
        assert (await run(client, skill, {})).json() | {"durationMs": 0} == {
            "skillId": skill["skillId"], "version": 4, "status": "succeeded", "output": 2, "logs": [], "durationMs": 0,
            "error": None,
        }  # fmt: skip
        old = await run(client, skill, {}, version=2)
        assert (old.json()["version"], old.json()["output"]) == (2, {"got": {}})
        seen = (await client.get(path, params={"version": 2})).json()
        assert (seen["version"], seen["inputSchema"], seen["limits"]["timeoutSeconds"]) == (2, True, 5)
        assert (await client.get(path, params={"version": 9})).json()["code"] == "skill_version_not_found"

    async def test_a_stale_reader_is_told(self, client: httpx.AsyncClient) -> None:
        skill = await made(client, None)
        path = f"/skills/{skill['skillId']}"
        tag = (await client.get(path)).headers["etag"]
        assert (await client.patch(path, json={"description": "a"}, headers={"if-match": tag})).status_code == 200
        late = await client.patch(path, json={"description": "b"}, headers={"if-match": tag})
        assert (late.status_code, late.json()["code"]) == (409, "stale")

    async def test_a_skill_that_is_switched_off_is_not_called(self, client: httpx.AsyncClient) -> None:
        skill = await made(client)
        await client.patch(f"/skills/{skill['skillId']}", json={"status": "disabled"})
        assert (await run(client, skill)).json()["code"] == "skill_disabled"


class TestUpload:
    async def test_an_address_takes_one_package_once(self, client: httpx.AsyncClient) -> None:
        skill = await made(client, None)
        content = packed({"main.py": MAIN})
        body = {"fileName": "a.zip", "sizeBytes": len(content), "sha256": sha256(content).hexdigest()}
        address = (await client.post(f"/skills/{skill['skillId']}/upload-url", json=body)).json()
        assert (address["method"], address["headers"]) == ("PUT", {"content-type": "application/zip"})
        other = await client.put(address["uploadUrl"], content=packed({"main.py": MAIN + "\n"}))
        assert (other.status_code, other.json()["code"]) == (400, "package_differs")
        assert (await client.put(address["uploadUrl"], content=content)).status_code == 200
        again = await client.put(address["uploadUrl"], content=content)
        assert (again.status_code, again.json()["code"]) == (404, "upload_not_found")

    async def test_an_address_that_was_never_given_takes_nothing(self, client: httpx.AsyncClient, app: Running) -> None:
        for token in ("x", "A" * 64, "€"):
            answer = await client.put(f"{app.url}/skill-uploads/{token}", content=b"")
            assert (answer.status_code, answer.json()["code"]) == (404, "upload_not_found")

    async def test_more_than_50_mib_are_not_awaited(self, client: httpx.AsyncClient) -> None:
        skill = await made(client, None)
        body = {"fileName": "a.zip", "sizeBytes": 50 * 1024 * 1024 + 1, "sha256": "0" * 64}
        answer = await client.post(f"/skills/{skill['skillId']}/upload-url", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "package_too_large")

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"no zip", "no zip"),
            (packed({"../main.py": MAIN}), "leaves the package"),
            (packed({"main.py": MAIN}, links={"evil": "/etc/passwd"}), "is a link"),
            (packed({"other.py": MAIN}), "names nothing in the package"),
            (packed({"main.py": MAIN}, runtime="node", handler="main.py:run"), "is for python3"),
        ],
    )
    async def test_a_package_that_can_not_be_trusted_is_refused(
        self, client: httpx.AsyncClient, content: bytes, words: str
    ) -> None:
        skill = await made(client, None)
        answer = await upload(client, skill["skillId"], content)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_package")
        assert words in answer.json()["detail"]
        assert (await client.get(f"/skills/{skill['skillId']}")).json()["status"] == "draft"


class TestRun:
    async def test_code_is_not_called_with_an_input_that_does_not_fit(
        self, client: httpx.AsyncClient, app: Running, workspace: Tenant
    ) -> None:
        schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
        skill = await made(client, inputSchema=schema)
        answer = await run(client, skill, {"n": "one"})
        assert (answer.status_code, answer.json()["code"]) == (400, "schema_validation")
        assert answer.json()["details"][0]["path"] == "input.n"
        assert "skill.executed" not in [name for name, _, _ in await events(app, workspace, "skill", "secret")]

    async def test_an_output_that_does_not_fit_is_an_error(self, client: httpx.AsyncClient) -> None:
        skill = await made(client, outputSchema={"type": "integer"})
        found = (await run(client, skill, 1)).json()
        assert (found["status"], found["output"], found["error"]["code"]) == ("failed", None, "output_schema")

    async def test_a_failure_is_one_line_with_its_place_and_a_log(
        self, client: httpx.AsyncClient, app: Running, workspace: Tenant
    ) -> None:
        code = (
            "import logging\ndef run(input):\n    logging.warning('look out')\n    raise ValueError('no such thing')\n"
        )
        skill = await made(client, code)
        found = (await run(client, skill)).json()
        assert found["error"] == {"code": "skill_failed", "message": "ValueError: no such thing (main.py, line 4)"}
        assert (found["logs"][0]["level"], found["logs"][0]["message"]) == ("warning", "look out")
        name, skill_id, data = (await events(app, workspace, "skill", "secret"))[-1]
        assert (name, skill_id, data["error"]) == ("skill.executed", skill["skillId"], "skill_failed")
        assert data["sandbox"] in ("full", "files")

    async def test_a_secret_is_handed_over_and_shown_nowhere(
        self, client: httpx.AsyncClient, app: Running, workspace: Tenant
    ) -> None:
        value = canary()
        made_secret = await client.post("/secrets", json={"name": "stripe.key", "type": "token", "value": value})
        code = (
            "from provenance_skill import secrets\n"
            "def run(input):\n"
            "    print(secrets['stripe.key'])\n"
            "    return {'length': len(secrets['stripe.key']), 'value': secrets['stripe.key']}\n"
        )
        skill = await made(client, code, secretRefs=["stripe.key"])
        answer = await run(client, skill)
        assert answer.json()["output"] == {"length": len(value), "value": "***"}
        assert value not in answer.text
        assert "secret.accessed" in [name for name, _, _ in await events(app, workspace, "skill", "secret")]
        used = await client.get(f"/secrets/{made_secret.json()['secretId']}")
        assert [each["id"] for each in used.json()["usedBy"]] == [skill["skillId"]]

    async def test_a_time_limit_of_the_call_is_kept(self, client: httpx.AsyncClient) -> None:
        skill = await made(client, "def run(input):\n    while True:\n        pass\n")
        found = (await run(client, skill, timeoutSeconds=0.3)).json()
        assert (found["status"], found["error"]["code"]) == ("failed", "timeout")


class TestDelete:
    async def test_a_skill_goes_with_its_versions(self, client: httpx.AsyncClient, app: Running) -> None:
        skill = await made(client)
        path = f"/skills/{skill['skillId']}"
        assert (await client.delete(path)).json() == {"skillId": skill["skillId"], "deleted": True}
        assert (await client.get(path)).status_code == 404
        assert (await client.get("/skills")).json() == {"items": [], "nextCursor": None}

    async def test_another_workspace_sees_nothing(self, client: httpx.AsyncClient, make_tenant: MakeTenant) -> None:
        skill = await made(client)
        stranger = {"x-api-key": (await make_tenant()).key}
        path = f"/skills/{skill['skillId']}"
        for answer in (
            await client.get(path, headers=stranger),
            await client.patch(path, json={"description": "x"}, headers=stranger),
            await client.delete(path, headers=stranger),
            await client.post(f"{path}/run", json={}, headers=stranger),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "skill_not_found")


class TestList:
    async def test_pages_and_filters(self, client: httpx.AsyncClient) -> None:
        for name in ("one", "two", "three"):
            await made(client, None, name=name, trustLevel="high" if name == "two" else "low")
        first = (await client.get("/skills", params={"limit": 2})).json()
        assert [each["name"] for each in first["items"]] == ["three", "two"]
        rest = (await client.get("/skills", params={"limit": 2, "cursor": first["nextCursor"]})).json()
        assert ([each["name"] for each in rest["items"]], rest["nextCursor"]) == (["one"], None)
        assert [each["name"] for each in (await client.get("/skills?trustLevel=high")).json()["items"]] == ["two"]
        assert [each["name"] for each in (await client.get("/skills?q=hre")).json()["items"]] == ["three"]
