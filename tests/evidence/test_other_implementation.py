"""What we publish, checked by others: tlog-scales reads the log and its proofs, and RFC 9162 is followed by hand."""

import asyncio
import base64
import json
import warnings
from hashlib import sha256
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from provenance.proof.proof_file import ProofFile
from tests.evidence.conftest import Sign, key_of, lines_of, pack_of, post, read

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from tlog_scales import signing, tiles, tlog
    from tlog_scales.reader import TilesReader


class Backend:
    """The read API of the server, as tlog-scales asks for files of a log."""

    def __init__(self, client: httpx.AsyncClient, loop: asyncio.AbstractEventLoop) -> None:
        self.client, self.loop = client, loop

    def get(self, *path: str) -> bytes | None:
        asked = asyncio.run_coroutine_threadsafe(self.client.get(f"/api/log/{'/'.join(path)}"), self.loop)
        answer = asked.result()
        return answer.content if answer.status_code == 200 else None


class TestTlogScales:
    async def test_it_reads_the_log_and_makes_proofs_of_its_own(self, client: httpx.AsyncClient, sign: Sign) -> None:
        await post(client, 300)
        await sign()
        await post(client, 400)
        await sign()
        key = signing.Vkey.from_string(await key_of(client))
        rows = (await client.get("/api/interactions", params={"order": "asc", "limit": 3})).json()["data"]
        ours = (
            await client.get(f"/api/interactions/{rows[2]['interactionId']}/proof", headers={"accept": "text/plain"})
        ).text
        proof = ProofFile.parse(ours)
        old = (await client.get("/api/log/consistency", params={"from": 300})).json()

        def check() -> None:
            reader = TilesReader(Backend(client, loop))
            head = reader.get_checkpoint()
            head.verify(key)
            assert reader.calculate_root_hash() == head.root_hash
            assert reader.get_inclusion_proof(2, head.size).node_hashes == list(proof.path)
            entry = reader.get_entry(2)
            assert json.loads(entry)["id"] == rows[2]["interactionId"]
            reader.get_inclusion_proof(2, head.size).check(tiles.leaf_hash(entry), head.root_hash)
            made = reader.get_consistency_proof(300, head.size)
            assert [each.hex() for each in made.node_hashes] == old["path"]
            made.check(reader.mth(0, 300), head.root_hash)

        loop = asyncio.get_running_loop()
        await asyncio.to_thread(check)

    async def test_it_verifies_a_proof_file(self, client: httpx.AsyncClient, sign: Sign) -> None:
        await post(client, 5)
        await sign()
        row = (await client.get("/api/interactions")).json()["data"][1]
        path = f"/api/interactions/{row['interactionId']}/proof"
        text = (await client.get(path, headers={"accept": "text/plain"})).text
        envelope = (await client.get(path, headers={"accept": "application/json"})).json()["envelope"].encode()
        header, _, note = text.partition("\n\n")
        version, index, *hashes = header.split("\n")
        assert version == "c2sp.org/tlog-proof@v1"
        head = tlog.Checkpoint.from_text(note)
        head.verify(signing.Vkey.from_string(await key_of(client)))
        made = tlog.InclusionProof(int(index.split()[1]), head.size, [base64.b64decode(each) for each in hashes])
        made.check(tiles.leaf_hash(envelope), head.root_hash)
        with pytest.raises(tlog.InclusionProofInvalid):
            made.check(tiles.leaf_hash(envelope + b" "), head.root_hash)


def by_hand(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root, as section 2.1.3.2 of RFC 9162 computes it, step by step with its names."""
    fn, sn, r = index, size - 1, leaf
    for p in path:
        assert sn != 0
        if fn & 1 == 1 or fn == sn:
            r = sha256(b"\x01" + p + r).digest()
            if fn & 1 == 0:
                while not (fn & 1 == 1 or fn == 0):
                    fn, sn = fn >> 1, sn >> 1
        else:
            r = sha256(b"\x01" + r + p).digest()
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0
    return r


class TestByHand:
    async def test_a_pack_with_nothing_but_hashes_and_one_signature(
        self, client: httpx.AsyncClient, sign: Sign
    ) -> None:
        """The README's four steps, in as many lines."""
        await post(client, 37)
        await sign()
        pack = await pack_of(client)
        text, _, signature = read(pack, "checkpoint").decode().rpartition("\n\n")
        origin, size, root = text.split("\n")
        public = base64.b64decode((await key_of(client)).split("+", 2)[2])[1:]
        made = base64.b64decode(signature.split(" ")[2])[4:]
        Ed25519PublicKey.from_public_bytes(public).verify(made, (text + "\n").encode())
        for raw, record in zip(read(pack, "records.ndjson").splitlines(), lines_of(pack), strict=True):
            content, envelope = members_of(raw)
            digest = sha256(bytes.fromhex(record["salt"]) + content).hexdigest()
            assert digest == record["envelope"]["contentDigest"]
            path = [bytes.fromhex(each) for each in record["path"]]
            leaf = sha256(b"\x00" + envelope).digest()
            assert by_hand(leaf, record["number"] - 1, int(size), path) == base64.b64decode(root)
        assert origin in (await key_of(client))


def members_of(line: bytes) -> tuple[bytes, bytes]:
    """The bytes of content and envelope in a record's line: both stand there as they were hashed."""
    text, decoder = line.decode(), json.JSONDecoder()
    found: list[Any] = []
    for name in ("content", "envelope"):
        start = text.index(f'"{name}":{{') + len(name) + 3
        found.append(text[start : decoder.raw_decode(text, start)[1]].encode())
    return found[0], found[1]
