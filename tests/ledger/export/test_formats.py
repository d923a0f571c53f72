"""Each format, read back by something else than what wrote it."""

import base64
import csv
import io
import json
from datetime import datetime
from functools import cache
from hashlib import sha256
from typing import Any

import httpx
import jsonschema_rs
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from prov.model import ProvDocument

from provenance.ledger.export.formats import FORMATS
from provenance.ledger.export.formats.csv_rows import cell
from provenance.proof.json_proof import verify_json_proof
from provenance.proof.notes import VerifierKey
from tests.conftest import MakeTenant, Running, Tenant
from tests.ledger.export.conftest import ERASED, IMAGE, ITEMS, PLATFORM, UOW, Sign, export
from tests.ledger.generated import interactions, texts
from tests.ledger.rows import listed

ALL = len(ITEMS) + len(PLATFORM)


async def rows(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await listed(client, order="asc", **query))["data"]
    return found


def lines(answer: httpx.Response) -> list[Any]:
    return [json.loads(line) for line in answer.content.splitlines()]


async def keys(client: httpx.AsyncClient) -> list[VerifierKey]:
    return [VerifierKey.parse((await client.get("/api/log/key")).text.strip())]


def check(manifest: dict[str, Any], answer: httpx.Response, count: int) -> None:
    """What every manifest of a stream says of the bytes before it."""
    assert manifest["sha256"] == sha256(answer.content[: manifest["bytes"]]).hexdigest()
    assert manifest["count"] == count
    assert manifest["complete"] is True
    assert answer.headers["x-export-count"] == str(count)


@cache
def ocsf(class_uid: int) -> jsonschema_rs.Draft202012Validator:
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema("1.8.0"))
    return jsonschema_rs.Draft202012Validator(schema.get_class_schema(schema.lookup_class_name_from_uid(class_uid)))


class TestEveryFormat:
    @pytest.mark.parametrize("name", FORMATS)
    async def test_says_what_it_is(self, shop: httpx.AsyncClient, workspace: Tenant, name: str) -> None:
        answer = await export(shop, name, uowId=UOW)
        form = FORMATS[name]  # type: ignore[index]
        assert answer.headers["content-type"] == form.media_type
        file = f"provenance-{workspace.id}-{ALL}.{form.extension}"
        assert answer.headers["content-disposition"] == f'attachment; filename="{file}"'
        assert answer.headers["x-export-count"] == "4"
        assert ("x-export-sha256" in answer.headers) == form.document
        if form.document:
            assert answer.headers["x-export-sha256"] == sha256(answer.content).hexdigest()

    @pytest.mark.parametrize("name", FORMATS)
    async def test_is_the_same_zipped_and_plain(self, shop: httpx.AsyncClient, name: str) -> None:
        cursor = (await export(shop, name, uowId=UOW)).headers["x-export-cursor"]
        answers = [
            await shop.get(
                "/api/export",
                params={"format": name, "uowId": UOW, "cursor": cursor},
                headers={"accept-encoding": encoding},
            )
            for encoding in ("gzip", "identity")
        ]
        assert [each.headers.get("content-encoding") for each in answers] == ["gzip", None]
        assert answers[0].content == answers[1].content

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(items=st.lists(interactions, min_size=1, max_size=6))
    async def test_writes_whatever_was_recorded(
        self, client: httpx.AsyncClient, make_tenant: MakeTenant, sign: Sign, items: list[dict[str, Any]]
    ) -> None:
        workspace = await make_tenant()
        client.headers["x-api-key"] = workspace.key
        items = [{**item, "uowId": UOW} for item in items]
        answer = await client.post("/api/interactions/batch?mode=partial", json=items)
        assert answer.status_code in (200, 201), answer.text
        await sign(workspace)
        expected = await rows(client, uowId=UOW)
        assert [{**row, "leafHash": 0} for row in expected] == [
            {**row, "leafHash": 0} for row in lines(await export(client, uowId=UOW))[:-1]
        ]
        for event in lines(await export(client, "ocsf", uowId=UOW)):
            assert [error.message for error in ocsf(event["class_uid"]).iter_errors(event)] == []
        table = list(csv.DictReader(io.StringIO((await export(client, "csv", uowId=UOW)).text, newline="")))
        assert [json.loads(row["interaction"] or "null") for row in table[:-1]] == [
            row["interaction"] for row in expected
        ]
        events = (await export(client, "cloudevents", uowId=UOW)).json()
        assert [event["data"]["interaction"] for event in events[:-1]] == [row["interaction"] for row in expected]
        prov = ProvDocument.deserialize(content=(await export(client, "prov-json", uowId=UOW)).text, format="json")
        notation = ProvDocument.deserialize(content=(await export(client, "prov-n", uowId=UOW)).text, format="provn")
        assert len(prov.records) == len(notation.records) > len(expected)
        assert (await export(client, "in-toto", uowId=UOW)).json()["payload"]


class TestNdjson:
    async def test_the_lines_are_the_rows_of_the_list(self, shop: httpx.AsyncClient) -> None:
        answer = await export(shop)
        *records, last = lines(answer)
        bare = [{name: value for name, value in record.items() if name != "leafHash"} for record in records]
        assert bare == (await rows(shop))[:-1], "the record of this export itself is not part of it"
        assert all(len(record["leafHash"]) == 64 for record in records)
        manifest = last["manifest"]
        check(manifest, answer, ALL)
        assert (manifest["firstNumber"], manifest["lastNumber"]) == (1, ALL)
        assert manifest["log"]["treeSize"] == ALL
        assert manifest["log"]["checkpoint"].startswith(manifest["log"]["origin"] + "\n")
        assert (manifest["filter"], manifest["order"], manifest["platformRows"]) == ({}, "number", "whole")

    async def test_none_leaves_the_proofs_out(self, shop: httpx.AsyncClient) -> None:
        *records, _ = lines(await export(shop, proofs="none"))
        assert records == (await rows(shop))[:-1]

    async def test_inline_proofs_need_nothing_else(self, shop: httpx.AsyncClient) -> None:
        *records, _ = lines(await export(shop, proofs="inline"))
        assert len(records) == ALL
        for record in records:
            document = json.dumps(record["jsonProof"]).encode()
            findings = verify_json_proof(document, await keys(shop))
            assert findings.proven, findings.summary
            assert findings.erased == (record["interactionNumber"] == ERASED)
            assert findings.index == record["interactionNumber"] - 1
            assert record["jsonProof"]["leafHash"] == record["leafHash"]
            content = record["jsonProof"]["content"] or {}
            assert content.get("interaction") == record["interaction"]

    async def test_an_erased_row_is_exported_as_erased(self, shop: httpx.AsyncClient) -> None:
        answer = await export(shop)
        record = lines(answer)[ERASED - 1]
        assert (record["resourceId"], record["userId"], record["interaction"]) == (None, None, None)
        assert "forget" not in answer.text
        assert "someone" not in answer.text

    async def test_platform_rows_are_masked_as_in_lists(
        self, shop: httpx.AsyncClient, masked: httpx.AsyncClient
    ) -> None:
        expected = [row for row in await rows(masked) if row["interactionNumber"] <= ALL]
        *records, last = lines(await export(masked, proofs="inline"))
        assert last["manifest"]["platformRows"] == "masked"
        for record, row in zip(records, expected, strict=True):
            proof = record.pop("jsonProof")
            assert record.pop("leafHash") == proof["leafHash"]
            assert record == row
            assert verify_json_proof(json.dumps(proof).encode(), await keys(shop)).proven
            if row["platform"]:
                assert (proof["content"], proof["salt"], proof["contentCanonical"]) == (None, None, None)
        for name in FORMATS:
            assert "user_1" not in (await export(masked, name, uowId=UOW)).text
            if name != "in-toto":
                assert "user_1" not in (await export(masked, name)).text


class TestCsv:
    async def test_reads_back(self, shop: httpx.AsyncClient) -> None:
        answer = await export(shop, "csv")
        table = list(csv.DictReader(io.StringIO(answer.text, newline=""), strict=True))
        *records, last = table
        check(json.loads(last["manifest"]), answer, ALL)
        assert (last["record"], {each["record"] for each in records}) == ("manifest", {"interaction"})
        for record, row in zip(records, (await rows(shop))[:-1], strict=True):
            assert json.loads(record["interaction"] or "null") == row["interaction"]
            assert record["resourceId"].removeprefix("'") == (row["resourceId"] or "")
            assert record["interactionNumber"] == str(row["interactionNumber"])
            assert record["leafIndex"] == str(row["proof"]["leafIndex"])
            assert record["platform"] == str(row["platform"]).lower()
        assert answer.content.endswith(b"\r\n")

    async def test_no_cell_is_a_formula(self, shop: httpx.AsyncClient) -> None:
        table = csv.reader(io.StringIO((await export(shop, "csv")).text, newline=""))
        cells = [each for row in table for each in row]
        assert [each for each in cells if each.startswith(("=", "+", "-", "@", "\t", "\r"))] == []
        assert '\'=HYPERLINK("http://evil.example")' in cells

    @given(text=texts | st.sampled_from(['=1,"2"', "-1", "@a\r\nb", '"']))
    def test_every_text_reads_back(self, text: str) -> None:
        [[read, after]] = csv.reader(io.StringIO(f"{cell(text)},x\r\n", newline=""), strict=True)
        assert (read.removeprefix("'") if text.startswith(tuple("=+-@\t\r")) else read) == text
        assert after == "x"

    @pytest.mark.parametrize(("value", "written"), [(None, ""), (True, "true"), (-3, "-3"), ("", ""), ("-3", "'-3")])
    def test_what_is_no_text(self, value: Any, written: str) -> None:
        assert cell(value) == written


class TestOcsf:
    async def test_every_event_is_valid(self, shop: httpx.AsyncClient, masked: httpx.AsyncClient) -> None:
        for client in (shop, masked):
            for proofs in ("none", "inline"):
                events = lines(await export(client, "ocsf", proofs=proofs))
                for event in events:
                    assert [error.message for error in ocsf(event["class_uid"]).iter_errors(event)] == []
                    assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
                    assert event["metadata"]["version"] == "1.8.0"

    async def test_classes_and_activities(self, shop: httpx.AsyncClient, masked: httpx.AsyncClient) -> None:
        answer = await export(shop, "ocsf")
        *events, last = lines(answer)
        check(last["unmapped"]["manifest"], answer, ALL)
        assert [(event["class_uid"], event["activity_id"]) for event in events] == [
            (6003, 1), (6003, 3), (6003, 1), (6003, 2), (6003, 1), (6003, 4), (6003, 1),
            (3002, 1), (3002, 1), (3001, 1), (3004, 9), (6003, 99),
        ]  # fmt: skip
        assert [event["status_id"] for event in events[7:]] == [1, 2, 1, 1, 2]
        assert [event["severity_id"] for event in events[7:]] == [2, 3, 2, 4, 5]
        *events, _ = lines(await export(masked, "ocsf"))
        assert {event["class_uid"] for event in events} == {6003}

    async def test_the_facts_of_an_event(self, shop: httpx.AsyncClient) -> None:
        event, row = lines(await export(shop, "ocsf"))[1], (await rows(shop))[1]
        assert event["actor"]["user"] == {"uid": "änne~ (x); 'y'", "credential_uid": row["recordedBy"]}
        assert event["actor"]["invoked_by"] == "bob"
        assert event["api"] == {
            "operation": "ORDER_UPDATED",
            "service": {"name": "SHOP"},
            "group": {"name": "ORDER"},
        }
        assert [each["uid"] for each in event["resources"]] == ["order-1", "user-1", "mail/7.", "-cart"]
        assert event["time"] == 1714979289123
        assert event["metadata"]["uid"] == row["interactionId"]
        assert event["unmapped"]["changes"] == row["changes"]
        assert event["unmapped"]["proof"]["leafIndex"] == 1


class TestCloudEvents:
    async def test_the_batch(self, shop: httpx.AsyncClient, workspace: Tenant) -> None:
        answer = await export(shop, "cloudevents")
        *events, last = answer.json()
        check(last["data"], answer, ALL)
        assert last["type"] == "provenance.export.manifest"
        for event, row in zip(events, (await rows(shop))[:-1], strict=True):
            assert (event["specversion"], event["id"]) == ("1.0", row["interactionId"])
            assert event["source"] == f"/workspaces/{workspace.id}/origins/{row['originMnemonic']}"
            assert event.get("subject") == row["resourceId"]
            assert datetime.fromisoformat(event["time"]).utcoffset() is not None
            assert {name for name in event if not name.isalnum() or name != name.lower()} == set()
            assert None not in event.values()
            assert event["data"]["interaction"] == row["interaction"]
            assert event["data"]["proof"]["leafHash"] == event["leafhash"]
        assert events[1]["type"] == "provenance.order.order_updated"


class TestProv:
    async def test_both_spellings_say_the_same(self, shop: httpx.AsyncClient) -> None:
        spelt = [
            ProvDocument.deserialize(content=(await export(shop, name, uowId=UOW)).text, format=reader)
            for name, reader in (("prov-json", "json"), ("prov-n", "provn"))
        ]
        counts = [sorted(str(record.get_type()) for record in document.records) for document in spelt]
        assert counts[0] == counts[1]

    async def test_the_statements(self, shop: httpx.AsyncClient) -> None:
        found = (await export(shop, "prov-json", uowId=UOW)).json()
        first, second, deleted, _ = [f"interaction:{row['interactionId']}" for row in await rows(shop, uowId=UOW)]
        assert set(found["activity"]) >= {first, second, deleted}
        assert found["activity"][second]["prov:startTime"] == "2024-05-06T07:08:09.123456+00:00"
        generated = {each["prov:entity"]: each["prov:activity"] for each in found["wasGeneratedBy"].values()}
        state = f"state:{second.removeprefix('interaction:')}"
        assert generated[f"{state}/0"] == generated[f"{state}/2"] == second
        general = {
            each["prov:specificEntity"]: each["prov:generalEntity"] for each in found["specializationOf"].values()
        }
        assert (general[f"{state}/0"], general[f"{state}/2"]) == ("resource:ORDER/order-1", "resource:MAIL/mail%2F7%2E")
        assert list(found["used"].values()) == [{"prov:activity": second, "prov:entity": "resource:USER/user-1"}]
        assert [each["prov:activity"] for each in found["wasInvalidatedBy"].values()] == [deleted]
        assert list(found["wasInformedBy"].values()) == [{"prov:informed": second, "prov:informant": first}]
        assert list(found["wasInfluencedBy"].values()) == [
            {"prov:influencee": "resource:CART/%2Dcart", "prov:influencer": second}
        ]
        chain = [(each["prov:delegate"], each["prov:responsible"]) for each in found["actedOnBehalfOf"].values()]
        user = "agent:user/%C3%A4nne%7E%20%28x%29%3B%20%27y%27"
        assert chain == [(user, "agent:user/bob"), ("agent:user/bob", "agent:user/carol")]
        assert user in [each["prov:agent"] for each in found["wasAssociatedWith"].values()]
        assert json.loads(found["entity"]["pv:manifest"]["pv:json"])["count"] == 4


class TestInToto:
    async def test_the_statement_is_signed_with_the_logs_key(self, shop: httpx.AsyncClient) -> None:
        envelope = (await export(shop, "in-toto", uowId=UOW)).json()
        [key] = await keys(shop)
        [signature] = envelope["signatures"]
        payload, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"]
        signed = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
        Ed25519PublicKey.from_public_bytes(key.public).verify(base64.b64decode(signature["sig"]), signed)
        assert str(key).startswith(signature["keyid"] + "+")
        assert kind == "application/vnd.in-toto+json"

    async def test_subjects_and_predicate(self, shop: httpx.AsyncClient) -> None:
        statement = json.loads(base64.b64decode((await export(shop, "in-toto", uowId=UOW)).json()["payload"]))
        assert statement["_type"] == "https://in-toto.io/Statement/v1"
        predicate = statement["predicate"]
        assert statement["predicateType"] == "https://provenance.local/attestations/unit-of-work/v1"
        assert predicate["unitOfWork"] == UOW
        leaves = [bytes.fromhex(row["proof"]["leafHash"]) for row in predicate["interactions"]]
        digests = {each["name"]: each["digest"]["sha256"] for each in statement["subject"]}
        assert digests == {
            f"unit-of-work/{UOW}": sha256(b"".join(leaves)).hexdigest(),
            "ORDER/order-1": sha256(leaves[0] + leaves[1]).hexdigest(),
            f"IMAGE/{IMAGE}": "ab" * 32,
        }
        for row in predicate["interactions"]:
            assert verify_json_proof(json.dumps(row["proof"]["jsonProof"]).encode(), await keys(shop)).proven
        assert predicate["manifest"]["filter"] == {"uowId": UOW}


async def test_nothing_reaches_another_workspace(
    app: Running, shop: httpx.AsyncClient, make_tenant: MakeTenant
) -> None:
    stranger = {"x-api-key": (await make_tenant()).key}
    async with httpx.AsyncClient(base_url=app.url, headers=stranger) as other:
        answer = await other.get("/api/export", params={"format": "ndjson", "uowId": UOW})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_integrated")
        cursor = (await export(shop)).headers["x-export-cursor"]
        answer = await other.get("/api/export", params={"format": "ndjson", "cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")
