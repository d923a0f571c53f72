"""One post: what it takes, how it reads back, what it refuses, and that a refused one leaves nothing."""

import asyncio
from typing import Any

import httpx
import pytest

from provenance.core.ids import new_uuid_text
from tests.conftest import MakeTenant, Running, Tenant

SMALL: dict[str, Any] = {"resourceId": "r-1", "resourceType": "USER", "action": "CREATE", "origin": "WEBAPP"}
KINDS = ("resource-types", "actions", "origins")
ROW = {
    "interactionId", "interactionNumber", "resourceId", "resourceTypeId", "actionId", "originId", "interaction",
    "uowId", "userId", "spanId", "parentSpanId", "externalReference", "externalResponse", "createdDate",
    "recordedDate", "occurredAt", "sequenceIndex", "outcome", "onBehalfOf", "relatedResources", "changes", "corrects",
    "recordedBy", "platform", "links", "ip", "userAgent", "proof",
    *(f"{kind}{part}" for kind in ("resourceType", "action", "origin")
      for part in ("Mnemonic", "Title", "Icon", "FontColorHex", "BgColorHex")),
}  # fmt: skip


async def post(client: httpx.AsyncClient, headers: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    answer = await client.post("/api/interactions", json={**SMALL, **more}, headers=headers)
    assert answer.status_code == 201, answer.text
    row: dict[str, Any] = answer.json()
    return row


async def refused(
    client: httpx.AsyncClient, headers: dict[str, str] | None = None, **more: Any
) -> tuple[int, str, str]:
    """Return status, code and path of a refusal."""
    answer = await client.post("/api/interactions", json={**SMALL, **more}, headers=headers)
    body = answer.json()
    return answer.status_code, body["code"], body["details"][0]["path"] if body["details"] else ""


class TestCreate:
    async def test_a_first_interaction_reads_back_with_its_words(self, client: httpx.AsyncClient) -> None:
        sent = {
            "resourceId": "user-123",
            "resourceType": "USER",
            "action": "CREATE",
            "origin": "WEBAPP",
            "interaction": {"email": "user@example.com", "plan": "starter"},
        }
        answer = await client.post("/api/interactions", json=sent)
        assert answer.status_code == 201, answer.text
        row = answer.json()
        assert row["interactionNumber"] == 1
        assert row["resourceTypeMnemonic"] == "USER"
        assert row["interaction"] == sent["interaction"]
        assert row["proof"] == {"leafIndex": 0, "integrated": False}

    async def test_a_row_has_every_field_and_no_other(self, client: httpx.AsyncClient) -> None:
        assert set(await post(client)) == ROW

    async def test_fields_never_sent_read_null(self, client: httpx.AsyncClient) -> None:
        row = await post(client)
        unsent = ("interaction", "externalReference", "externalResponse", "userId", "spanId", "parentSpanId", "outcome")
        assert [row[name] for name in unsent] == [None] * len(unsent)
        assert row["platform"] is False

    async def test_numbers_follow_one_another(self, client: httpx.AsyncClient) -> None:
        assert [(await post(client, resourceId=f"r-{n}"))["interactionNumber"] for n in range(5)] == [1, 2, 3, 4, 5]

    async def test_everything_sent_reads_back(self, client: httpx.AsyncClient) -> None:
        first = await post(client)
        sent = {
            "interaction": {"b": [1, {"c": None}], "a": "\u00fc \U0001f600"},
            "externalReference": "pi_3",
            "externalResponse": [1, "two"],
            "userId": "user-7",
            "sequenceIndex": 2**53 - 1,
            "outcome": "denied",
            "onBehalfOf": ["agent-1", "user-1"],
            "relatedResources": [{"resourceType": "ORDER", "resourceId": "o-1", "role": "used"}],
            "changes": [{"op": "replace", "path": "/a~1b", "value": {"x": 1}}],
            "corrects": first["interactionId"],
        }
        row = await post(client, **sent)
        assert {name: row[name] for name in sent} == sent

    async def test_the_role_of_a_related_resource_is_affected_unless_said(self, client: httpx.AsyncClient) -> None:
        row = await post(client, relatedResources=[{"resourceType": "ORDER", "resourceId": "o-1"}])
        assert row["relatedResources"][0]["role"] == "affected"

    async def test_content_reads_back_in_canonical_order(self, client: httpx.AsyncClient) -> None:
        body = b'{"origin":"O","resourceId":"r","resourceType":"T","action":"A",'
        body += b'"interaction":{"b":1.0,"a":{"d":1e2,"c":0}}}'
        answer = await client.post("/api/interactions", content=body, headers={"content-type": "application/json"})
        assert b'"interaction":{"a":{"c":0,"d":100},"b":1},' in answer.content

    async def test_what_it_knows_of_the_sender_is_kept(self, client: httpx.AsyncClient, workspace: Tenant) -> None:
        row = await post(client, {"user-agent": "importer/1.0"})
        assert (row["ip"], row["userAgent"]) == ("127.0.0.1", "importer/1.0")
        assert row["recordedBy"] == "key_" + workspace.key.split("_")[1]


class TestHeaders:
    async def test_every_header_is_kept(self, client: httpx.AsyncClient) -> None:
        uow, span, parent = new_uuid_text(), new_uuid_text(), new_uuid_text()
        headers = {
            "x-uowid": uow.upper(),
            "x-userid": "user-\u00fc".encode().decode("latin-1"),
            "x-interaction-timestamp": "2026-01-31T12:00:00.123456789+02:00",
            "x-span-id": span,
            "x-parent-span-id": parent,
        }
        raw = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
        answer = await client.post("/api/interactions", json={**SMALL, "userId": "loses"}, headers=list(raw.items()))
        row = answer.json()
        assert (row["uowId"], row["spanId"], row["parentSpanId"]) == (uow, span, parent)
        assert row["userId"] == "user-\u00fc"
        assert (row["createdDate"], row["occurredAt"]) == ("2026-01-31T10:00:00.123Z", "1769853600123456789")

    async def test_without_a_unit_of_work_one_is_made(self, client: httpx.AsyncClient) -> None:
        rows = [await post(client) for _ in range(2)]
        assert len({row["uowId"] for row in rows}) == 2

    async def test_a_trace_is_the_unit_of_work_when_none_is_given(self, client: httpx.AsyncClient) -> None:
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        row = await post(client, {"traceparent": trace})
        assert row["uowId"] == "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"
        assert row["links"] is None

    async def test_a_trace_beside_a_unit_of_work_is_a_link(self, client: httpx.AsyncClient) -> None:
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        uow = new_uuid_text()
        row = await post(client, {"traceparent": trace, "x-uowid": uow})
        assert row["uowId"] == uow
        assert row["links"] == [{"spanId": "00f067aa0ba902b7", "traceId": "4bf92f3577b34da6a3ce929d0e0e4736"}]

    @pytest.mark.parametrize(
        "zeros", ["00-" + "0" * 32 + "-00f067aa0ba902b7-01", "ff-" + "a" * 32 + "-" + "b" * 16 + "-01"]
    )
    async def test_a_trace_that_the_standard_calls_invalid_is_ignored(
        self, client: httpx.AsyncClient, zeros: str
    ) -> None:
        row = await post(client, {"traceparent": zeros})
        assert row["uowId"] not in ("0" * 8 + "-0000-0000-0000-" + "0" * 12, "aaaaaaaa-aaaa-aaaa-aaaa-" + "a" * 12)

    async def test_the_body_may_say_what_the_headers_say(self, client: httpx.AsyncClient) -> None:
        uow, span = new_uuid_text(), new_uuid_text()
        row = await post(client, uowId=uow, spanId=span, timestamp="2026-01-31T12:00:00Z", userId="u")
        assert (row["uowId"], row["spanId"], row["createdDate"], row["userId"]) == (
            uow, span, "2026-01-31T12:00:00.000Z", "u"
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("x-uowid", "nope"),
            ("x-uowid", "0a1b2c3d00004000800000000000000a"),
            ("x-span-id", "00f067aa0ba902b7"),
            ("x-parent-span-id", "{0a1b2c3d-0000-4000-8000-00000000000a}"),
            ("x-interaction-timestamp", "2026-02-30T00:00:00Z"),
            ("x-interaction-timestamp", "2026-01-31"),
            ("x-interaction-timestamp", "1769853600"),
            ("x-interaction-timestamp", "2026-01-31T12:00:00.1234567891Z"),
            ("x-interaction-timestamp", "2262-04-11T23:47:16.854775808Z"),
            ("x-userid", "u" * 513),
            ("Idempotency-Key", "k" * 513),
        ],
    )
    async def test_a_bad_header_is_named(self, client: httpx.AsyncClient, name: str, value: str) -> None:
        assert await refused(client, {name: value}) == (400, "invalid_request", name)


class TestLimits:
    @pytest.mark.parametrize(
        ("path", "more"),
        [
            ("resourceId", {"resourceId": ""}),
            ("resourceId", {"resourceId": "x" * 513}),
            ("resourceId", {"resourceId": 7}),
            ("userId", {"userId": ""}),
            ("externalReference", {"externalReference": "x" * 513}),
            ("idempotencyKey", {"idempotencyKey": ""}),
            ("sequenceIndex", {"sequenceIndex": -1}),
            ("sequenceIndex", {"sequenceIndex": 1.5}),
            ("outcome", {"outcome": "ok"}),
            ("interaction", {"interaction": "text"}),
            ("onBehalfOf", {"onBehalfOf": ["u"] * 17}),
            ("onBehalfOf[1]", {"onBehalfOf": ["u", ""]}),
            ("relatedResources", {"relatedResources": [{"resourceType": "A", "resourceId": "b"}] * 65}),
            ("relatedResources[0].resourceId", {"relatedResources": [{"resourceType": "A", "resourceId": ""}]}),
            ("relatedResources[0].role", {"relatedResources": [{"resourceType": "A", "resourceId": "b", "role": "x"}]}),
            ("changes", {"changes": {}}),
            ("changes[0].op", {"changes": [{"op": "x", "path": ""}]}),
            ("changes[0].path", {"changes": [{"op": "remove", "path": "a"}]}),
            ("changes[0].value", {"changes": [{"op": "add", "path": "/a"}]}),
            ("changes[1].from", {"changes": [{"op": "remove", "path": "/a"}, {"op": "move", "path": "/a"}]}),
            ("corrects", {"corrects": "x"}),
            ("uowId", {"uowId": "x"}),
            ("timestamp", {"timestamp": "x"}),
        ],
    )
    async def test_the_path_is_named(self, client: httpx.AsyncClient, path: str, more: dict[str, Any]) -> None:
        status, _, found = await refused(client, **more)
        assert (status, found) == (400, path)

    @pytest.mark.parametrize("name", ["resourceId", "userId", "externalReference"])
    async def test_512_characters_fit_whatever_their_bytes(self, client: httpx.AsyncClient, name: str) -> None:
        text = "\U0001f600" * 512
        more: dict[str, Any] = {name: text}
        assert (await post(client, **more))[name] == text

    async def test_a_pointer_made_to_keep_the_reader_busy_is_refused_at_once(self, client: httpx.AsyncClient) -> None:
        async with asyncio.timeout(30):
            assert (await refused(client, changes=[{"op": "remove", "path": "/" * 4000 + "~"}]))[0] == 400

    async def test_a_null_value_in_a_patch_is_a_value(self, client: httpx.AsyncClient) -> None:
        changes = [{"op": "add", "path": "/a", "value": None}]
        assert (await post(client, changes=changes))["changes"] == changes

    async def test_16_on_whose_behalf_and_64_related(self, client: httpx.AsyncClient) -> None:
        related = [{"resourceType": "A", "resourceId": f"b{n}", "role": "generated"} for n in range(64)]
        row = await post(client, onBehalfOf=[f"u{n}" for n in range(16)], relatedResources=related)
        assert (len(row["onBehalfOf"]), row["relatedResources"]) == (16, related)


class TestWords:
    async def test_new_words_are_made_with_a_title_and_colours(self, client: httpx.AsyncClient) -> None:
        row = await post(client, resourceType="billing_ACCOUNT-v2", action="sign.in")
        assert (row["resourceTypeMnemonic"], row["resourceTypeTitle"]) == ("billing_ACCOUNT-v2", "Billing Account V2")
        assert (row["actionTitle"], row["actionFontColorHex"]) == ("Sign In", "#ffffff")
        assert row["actionBgColorHex"].startswith("#")
        again = await post(client, resourceType="other", action="SIGN.IN")
        assert (again["actionId"], again["actionMnemonic"]) == (row["actionId"], "sign.in")

    async def test_the_colour_comes_from_the_name(self, client: httpx.AsyncClient, make_tenant: MakeTenant) -> None:
        other = await make_tenant()
        here = await post(client)
        there = await post(client, {"x-api-key": other.key})
        assert here["actionBgColorHex"] == there["actionBgColorHex"]
        assert here["actionId"] != there["actionId"]

    async def test_ids_do_in_place_of_names(self, client: httpx.AsyncClient) -> None:
        row = await post(client)
        ids = {name: row[name] for name in ("resourceTypeId", "actionId", "originId")}
        answer = await client.post("/api/interactions", json={"resourceId": "r-2", **ids})
        assert answer.json()["actionMnemonic"] == "CREATE"

    async def test_a_name_and_an_id_must_be_the_same_row(self, client: httpx.AsyncClient) -> None:
        row = await post(client)
        assert (await post(client, actionId=row["actionId"], action="create"))["actionId"] == row["actionId"]
        assert await refused(client, actionId=row["actionId"], action="UPDATE") == (400, "mnemonic_mismatch", "action")

    async def test_unknown_ids_are_never_created(self, client: httpx.AsyncClient) -> None:
        assert await refused(client, actionId=new_uuid_text()) == (400, "unknown_id", "actionId")
        assert await refused(client, actionId="x") == (400, "unknown_id", "actionId")

    @pytest.mark.parametrize("name", ["resourceType", "action", "origin"])
    async def test_one_of_both_is_needed(self, client: httpx.AsyncClient, name: str) -> None:
        body = {key: value for key, value in SMALL.items() if key != name}
        answer = await client.post("/api/interactions", json=body)
        assert (answer.status_code, answer.json()["details"][0]["path"]) == (400, name)

    @pytest.mark.parametrize("word", ["", "a b", "\u00fc", "x" * 65, "0a1b2c3d-0000-4000-8000-00000000000a", "a/b"])
    async def test_a_bad_mnemonic_is_refused(self, client: httpx.AsyncClient, word: str) -> None:
        status, _, path = await refused(client, resourceType=word)
        assert (status, path) == (400, "resourceType")

    @pytest.mark.parametrize("word", ["PLATFORM", "platform"])
    async def test_the_platform_is_a_reserved_origin(self, client: httpx.AsyncClient, word: str) -> None:
        assert await refused(client, origin=word) == (400, "reserved_origin", "origin")

    async def test_the_platform_is_reserved_by_its_id_too(self, client: httpx.AsyncClient) -> None:
        origins = (await client.get("/api/origins")).json()
        assert [origin["mnemonic"] for origin in origins] == ["PLATFORM"]
        body = {**SMALL, "originId": origins[0]["originId"]}
        del body["origin"]
        answer = await client.post("/api/interactions", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "reserved_origin")

    async def test_a_word_called_platform_of_another_kind_is_fine(self, client: httpx.AsyncClient) -> None:
        assert (await post(client, resourceType="PLATFORM", action="PLATFORM"))["interactionNumber"] == 1

    async def test_a_refused_post_leaves_no_word(self, client: httpx.AsyncClient) -> None:
        before = [(await client.get(f"/api/{kind}")).json() for kind in KINDS]
        await refused(client, outcome="bad")
        await refused(client, corrects=new_uuid_text())
        await refused(client, {"x-uowid": "bad"})
        await refused(client, origin="PLATFORM")
        assert [(await client.get(f"/api/{kind}")).json() for kind in KINDS] == before
        assert (await post(client))["interactionNumber"] == 1


class TestCorrects:
    async def test_what_is_corrected_must_be_of_this_workspace(
        self, client: httpx.AsyncClient, make_tenant: MakeTenant
    ) -> None:
        elsewhere = await post(client, {"x-api-key": (await make_tenant()).key})
        assert await refused(client, corrects=elsewhere["interactionId"]) == (400, "unknown_interaction", "corrects")
        here = await post(client)
        corrected = await post(client, corrects=here["interactionId"].upper())
        assert corrected["corrects"] == here["interactionId"]


class TestDelete:
    async def test_the_ledger_is_append_only(self, client: httpx.AsyncClient) -> None:
        row = await post(client)
        answer = await client.delete(f"/api/interactions/{row['interactionId']}")
        assert (answer.status_code, answer.json()["code"]) == (409, "append_only")


class TestTwoServers:
    async def test_a_word_made_through_one_is_known_to_the_others_batches_at_once(
        self, client: httpx.AsyncClient, second: Running
    ) -> None:
        """The other server remembers the catalogue for a second; an id that it lacks makes it look again."""
        for _ in range(2):
            await client.post(second.url + "/api/interactions", json=SMALL)
        made = (await client.post("/api/actions", json={"title": "Approve", "mnemonic": "APPROVE"})).json()
        body = {"resourceId": "r", "resourceType": "USER", "actionId": made["actionId"], "origin": "WEBAPP"}
        answer = await client.post(second.url + "/api/interactions/batch", json=[body])
        assert answer.status_code == 201, answer.text


class TestAddress:
    async def test_doubled_slashes_are_one_and_those_inside_an_id_stay(self, client: httpx.AsyncClient) -> None:
        address = "http://example.com//a/"
        sent = {"resourceId": address, "resourceType": "PAGE", "action": "VISIT", "origin": "WEBAPP"}
        assert (await client.post("/api//interactions", json=sent)).status_code == 201
        found = await client.get("/api//traces/http%3A%2F%2Fexample.com%2F%2Fa%2F/summary")
        assert found.status_code == 200, found.text
        assert found.json()["totalInteractions"] == 1
