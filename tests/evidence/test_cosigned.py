"""Which head evidence cites when witnesses sign some of them: the oldest that covers the rows and can meet a quorum."""

import io
import json
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provenance.cli.verifying.documents import check_file
from provenance.ledger.log import queries as log_queries
from provenance.ledger.log.heads import Heads
from provenance.ledger.log.integrating import Integrator
from provenance.ledger.witness import queries as witness_queries
from provenance.proof.cosignatures import cosign
from provenance.proof.notes import COSIGNATURE_V1, Note, Signer
from provenance.proof.policy import Policy
from provenance.proof.standalone import verify_pack
from tests.conftest import Running
from tests.evidence.conftest import UOW, Sign, ask, key_of, pack_of, post, read

OTHER = "00000000-0000-4000-8000-000000000001"
ONE, TWO = (
    Signer(f"w{n}.example/witness", Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32), COSIGNATURE_V1)
    for n in (1, 2)
)
Countersign = Callable[..., Awaitable[int]]


@pytest.fixture
def countersign(app: Running, workspace_id: uuid.UUID) -> Countersign:
    """Put witnesses' signatures under the newest head, as a round does; return its size."""

    async def countersign(*by: Signer) -> int:
        async with app.ledger.db.housekeeping(workspace_id) as tx:
            head = await log_queries.head(tx, 0)
            assert head is not None
            note = Note.parse(head.note)
            await log_queries.replace_note(
                tx, head, str(note.signed([cosign(note, each, 1_800_000_000) for each in by]))
            )
            await witness_queries.claim(tx, 0)
            await witness_queries.note_cosigned(tx, head.epoch, head.size)
            return head.size

    return countersign


async def grow(client: httpx.AsyncClient, sign: Sign, count: int = 5) -> None:
    await post(client, count, uow=OTHER, userId="eve")
    await sign()


class TestCosigned:
    async def test_the_oldest_head_that_a_witness_signed(
        self, client: httpx.AsyncClient, sign: Sign, countersign: Countersign, tmp_path: Path
    ) -> None:
        await post(client, 3)
        await sign()
        await grow(client, sign)
        assert await countersign(ONE) == 8
        await grow(client, sign)
        await countersign(ONE)
        await grow(client, sign)
        assert (await ask(client))["treeSize"] == 8
        pack = await pack_of(client)
        path = tmp_path / "pack.zip"
        path.write_bytes(pack)
        lines = f"log {await key_of(client)}\nwitness one {ONE.verifier}\nwitness two {TWO.verifier}\n"
        for quorum, met in (("any", True), ("all", False)):
            policy = Policy.parse(f"{lines}group both {quorum} one two\nquorum both\n")
            assert check_file(path, None, (), policy).accepted is met
        key = verify_pack.Key(str(ONE.verifier), "x", verify_pack.WITNESS_KEY)
        outcome = verify_pack.verify(io.BytesIO(pack), [verify_pack.Key(await key_of(client))], [key])
        assert (outcome.proven, outcome.trusted) == (True, True)
        assert f"Countersigned by {ONE.name}" in "".join(each.sentence for each in outcome.findings)
        assert f"Witnesses: {ONE.name}." in read(pack, "report.html").decode()

    async def test_one_with_more_witnesses_is_better(
        self, client: httpx.AsyncClient, sign: Sign, countersign: Countersign
    ) -> None:
        await post(client, 3)
        await sign()
        await countersign(ONE)
        for by in ((ONE, TWO), (ONE, TWO)):
            await grow(client, sign)
            await countersign(*by)
        assert (await ask(client))["treeSize"] == 8

    async def test_what_was_chosen_first_stays(
        self, client: httpx.AsyncClient, sign: Sign, countersign: Countersign
    ) -> None:
        await post(client, 3)
        await sign()
        first = await pack_of(client)
        await grow(client, sign)
        await countersign(ONE)
        assert await pack_of(client) == first
        second = await pack_of(client, userId="ada")
        await grow(client, sign)
        await countersign(ONE, TWO)
        assert await pack_of(client, userId="ada") == second
        sizes = [json.loads(read(pack, "manifest.json"))["treeSize"] for pack in (first, second)]
        assert sizes == [3, 9]  # asking is a row too

    async def test_rows_that_no_witness_has_seen_yet(
        self, client: httpx.AsyncClient, sign: Sign, countersign: Countersign
    ) -> None:
        await post(client, 3)
        await sign()
        await countersign(ONE)
        await post(client, 2)
        await sign()
        made = await ask(client)
        assert (made["treeSize"], len(Note.parse(made["checkpoint"]).signatures)) == (5, 1)

    async def test_not_beyond_what_the_map_covers(
        self,
        app: Running,
        client: httpx.AsyncClient,
        sign: Sign,
        countersign: Countersign,
        workspace_id: uuid.UUID,
        tmp_path: Path,
    ) -> None:
        await post(client, 3)
        await sign()
        await post(client, 5, uow=OTHER)
        await Integrator(app.ledger, Heads(tmp_path / "more")).integrate([workspace_id])
        await countersign(ONE)
        assert (await ask(client))["treeSize"] == 3
        assert (await ask(client, uowId=UOW, platform="exclude"))["treeSize"] == 8
        assert verify_pack.verify(io.BytesIO(await pack_of(client))).proven

    async def test_that_there_is_none_is_shown_on_the_newest(
        self, client: httpx.AsyncClient, sign: Sign, countersign: Countersign
    ) -> None:
        await post(client, 3)
        await sign()
        await countersign(ONE)
        await grow(client, sign)
        await countersign(ONE)
        await grow(client, sign)
        assert (await ask(client, userId="nobody"))["treeSize"] == 8
        outcome = verify_pack.verify(io.BytesIO(await pack_of(client, userId="nobody")))
        assert outcome.proven, [each.shown() for each in outcome.findings]
        assert "first 13 entries" in outcome.findings[-1].sentence
