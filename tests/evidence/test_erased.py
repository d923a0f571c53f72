"""Packs over rows whose content was really erased: certificates go with them, and the verifier asks for each."""

import asyncio
import io
import json
import uuid
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from provenance.core.actor import Role
from provenance.core.db import asyncpg_dsn
from provenance.ledger.erasure import working
from provenance.ledger.log import queries as log_queries
from provenance.ledger.log.heads import Heads
from provenance.ledger.log.integrating import Integrator
from provenance.ledger.log.reopening import reopen, rotate_key
from provenance.proof.certificates import Certificate
from provenance.proof.notes import Note
from provenance.proof.standalone import verify_pack
from tests.conftest import Running, Tenant
from tests.evidence.conftest import UOW, Sign, ask, key_of, lines_of, pack_of, post, read
from tests.ledger.test_erasure import erased, person_client, worked

REASON = "asked for, ticket 8 ☃"


@pytest.fixture
async def admin(app: Running, workspace: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    """An admin of the test's workspace, signed in as a person."""
    client = await person_client(app, workspace, Role.ADMIN)
    yield client
    await client.aclose()


@pytest.fixture
async def sql(app: Running) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(asyncpg_dsn(app.ledger.db.url))
    yield connection
    await connection.close()


def outcome_of(pack: bytes, key: str) -> verify_pack.Outcome:
    return verify_pack.verify(io.BytesIO(pack), [verify_pack.Key(key)])


def proven(pack: bytes, key: str) -> list[str]:
    """What the verifier says of a pack that it finds proven and trusted."""
    outcome = outcome_of(pack, key)
    assert (outcome.proven, outcome.trusted) == (True, True), [each.shown() for each in outcome.findings]
    return [finding.sentence for finding in outcome.findings]


def certificates_in(pack: bytes) -> list[str]:
    return [name for name in zipfile.ZipFile(io.BytesIO(pack)).namelist() if name.startswith("certificates/")]


def gone(pack: bytes) -> list[int]:
    return [line["number"] for line in lines_of(pack) if line["content"] is None]


class TestCertificates:
    async def test_asked_before_and_after(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, sign: Sign
    ) -> None:
        await post(client, 4)
        await sign()
        made = await ask(client)
        before = (await client.get(f"/api/evidence/{made['id']}/download")).content
        done = await erased(app, admin, resourceId="door-1", reason=REASON)
        assert (await client.get(f"/api/evidence/{made['id']}/download")).json()["code"] == "evidence_not_found"
        pack, key = await pack_of(client), await key_of(client)
        assert certificates_in(pack) == [f"certificates/{done['erasureId']}.note"]
        number = gone(pack)[0]
        said = proven(pack, key)
        certificate = Certificate.parse(Note.parse(read(pack, certificates_in(pack)[0])).text)
        assert certificate.erased is not None
        when = certificate.erased.replace("T", " ").replace("Z", " UTC")
        sentence = f"Record {number}: content erased on {when}, position and commitment proven. Reason: {REASON}"
        assert sentence in said
        page = read(pack, "report.html").decode()
        assert f"content erased on {when}, position and commitment proven" in page
        assert f"reason: {REASON}" in page
        assert "1 record, by 1 erasure" in page
        assert await pack_of(client) == pack
        assert before != pack
        assert "All 4 records are in the log, unchanged and in order." in proven(before, key)

    async def test_all_that_a_person_did_is_gone(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, sign: Sign
    ) -> None:
        """No filter finds the rows any more; the map still counts them."""
        await post(client, 4)
        await sign()
        await erased(app, admin, resourceId="door-3", reason="the door was scrapped")
        await erased(app, admin, userId="ada", reason=REASON)
        pack = await pack_of(client, userId="ada")
        assert len(gone(pack)) == 4
        said = proven(pack, await key_of(client))
        assert len(certificates_in(pack)) == 2
        assert "exactly these 4 name the id" in said[-1]
        assert "0 unchanged, 4 without content" in "".join(said)
        assert len([each for each in said if "content erased on" in each]) == 2

    async def test_that_somebody_was_not_there_yet_is_forgotten_too(
        self, app: Running, client: httpx.AsyncClient, admin: httpx.AsyncClient, sign: Sign
    ) -> None:
        await post(client, 2)
        await sign()
        asked = [await ask(client, userId="bob"), await ask(client, userId="eve"), await ask(client, resourceId="gate")]
        await post(client, 1, userId="bob", resourceId="gate")
        await post(client, 1, userId="eve")
        await erased(app, admin, userId="bob", reason=REASON)
        kept = (await client.get("/api/evidence")).json()["data"]
        assert [each["id"] for each in kept] == [asked[1]["id"]]

    async def test_an_erasure_under_way_is_waited_for(
        self,
        app: Running,
        client: httpx.AsyncClient,
        admin: httpx.AsyncClient,
        sign: Sign,
        workspace_id: uuid.UUID,
    ) -> None:
        await post(client, 2)
        await sign()
        asked = (await admin.post("/api/erasures", json={"reason": REASON, "resourceId": "door-0"})).json()
        await working.erase(app.ledger, workspace_id, uuid.UUID(asked["erasureId"]), asyncio.Event())
        made = await ask(client)
        answer = await client.get(f"/api/evidence/{made['id']}/download")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_certified")
        assert answer.headers["retry-after"] == "2"
        await worked(app)
        assert len(gone(await pack_of(client))) == 1

    async def test_a_certificate_under_a_newer_key(
        self,
        app: Running,
        client: httpx.AsyncClient,
        admin: httpx.AsyncClient,
        sign: Sign,
        workspace_id: uuid.UUID,
    ) -> None:
        await post(client, 3)
        await sign()
        first = await key_of(client)
        generation = await app.ledger.keyring.rotate(workspace_id)
        async with app.ledger.db.housekeeping(workspace_id) as tx:
            await rotate_key(tx, await app.ledger.keyring.within(tx), generation)
        await erased(app, admin, resourceId="door-1", reason=REASON)
        pack = await pack_of(client)
        keys = [each["verifierKey"] for each in json.loads(read(pack, "keys.json"))["keys"]]
        assert first in keys
        assert await key_of(client) in keys
        assert f"Reason: {REASON}" in "".join(proven(pack, first))
        assert first in read(pack, "report.html").decode().partition("--key")[2].partition("</pre>")[0]

    async def test_a_certificate_of_the_log_before_it_was_begun_anew(
        self,
        app: Running,
        client: httpx.AsyncClient,
        admin: httpx.AsyncClient,
        sign: Sign,
        workspace_id: uuid.UUID,
        tmp_path: Path,
    ) -> None:
        await post(client, 3)
        await sign()
        old = await key_of(client)
        await erased(app, admin, resourceId="door-1", reason=REASON)
        async with app.ledger.db.housekeeping(workspace_id) as tx:
            await log_queries.halt(tx, "restored")
        await reopen(app.ledger, workspace_id, "restored", None)
        await Integrator(app.ledger, Heads(tmp_path / "anew")).integrate([workspace_id])
        pack = await pack_of(client, action=["OPEN"])
        new = await key_of(client)
        assert new.split("+")[0] == old.split("+")[0] + "/e1"
        assert f"Reason: {REASON}" in "".join(proven(pack, new))


class TestTampering:
    async def test_a_row_that_was_only_emptied(
        self, client: httpx.AsyncClient, sign: Sign, sql: Any, workspace_id: uuid.UUID
    ) -> None:
        await post(client, 3)
        await sign()
        await sql.execute(
            "UPDATE interactions SET content = NULL, salt = NULL, resource_id = NULL, user_id = NULL "
            "WHERE workspace_id = $1 AND number = 2",
            workspace_id,
        )
        made = await ask(client)
        answer = await client.get(f"/api/evidence/{made['id']}/download")
        assert (answer.status_code, answer.json()["code"]) == (409, "row_differs")
        assert "number 2" in answer.json()["error"]

    @pytest.mark.parametrize(
        "change",
        [
            "certificate = NULL",
            "certificate = 'no note'",
            "certificate = replace(certificate, 'ticket 8', 'ticket 9')",
            "certificate = regexp_replace(certificate, 'numbers .*?\\n', E'numbers 1000\\n')",
        ],
    )
    async def test_a_certificate_that_was_changed(
        self,
        app: Running,
        client: httpx.AsyncClient,
        admin: httpx.AsyncClient,
        sign: Sign,
        sql: Any,
        workspace_id: uuid.UUID,
        change: str,
    ) -> None:
        await post(client, 3)
        await sign()
        await erased(app, admin, resourceId="door-1", reason=REASON)
        await sql.execute(f"UPDATE erasures SET {change} WHERE workspace_id = $1", workspace_id)
        made = await ask(client)
        answer = await client.get(f"/api/evidence/{made['id']}/download")
        assert (answer.status_code, answer.json()["code"]) == (409, "row_differs")

    async def test_more_certificates_than_a_pack_holds(
        self,
        app: Running,
        client: httpx.AsyncClient,
        admin: httpx.AsyncClient,
        sign: Sign,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("provenance.evidence.erased.MOST_CERTIFICATES", 1)
        await post(client, 3)
        await sign()
        for door in (0, 1):
            await admin.post("/api/erasures", json={"resourceId": f"door-{door}", "reason": REASON})
        await worked(app)
        made = await ask(client, uowId=UOW)
        answer = await client.get(f"/api/evidence/{made['id']}/download")
        assert (answer.status_code, answer.json()["code"]) == (400, "too_many_records")
