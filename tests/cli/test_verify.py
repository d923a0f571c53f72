"""Proofs, packs and logs as a person checks them: what is proven, what is not, and what is not trusted."""

import json
import shutil
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provenance.cli.verifying.sources import named
from provenance.core import ids
from provenance.core.db import asyncpg_dsn
from provenance.ledger.completeness.following import Follower, Progress
from provenance.ledger.log import queries as log_queries
from provenance.ledger.log.heads import Heads
from provenance.ledger.log.integrating import Integrator
from provenance.ledger.witness import queries as witness_queries
from provenance.proof.certificates import Certificate, sign_certificate
from provenance.proof.checkpoints import Checkpoint, sign_checkpoint
from provenance.proof.cosignatures import cosign
from provenance.proof.frontier import Frontier
from provenance.proof.leaf import leaf_hash
from provenance.proof.merkle import tree_root
from provenance.proof.notes import COSIGNATURE_V1, Note, Signer
from provenance.proof.proof_file import ProofFile
from provenance.proof.tiles import Bundle, pack_entries
from tests.cli.process import Person, Shell
from tests.conftest import MakeTenant, Running, Tenant
from tests.evidence.conftest import UOW, key_of, post
from tests.proof.logs import ENVELOPES, LOG, SIZE, document, head

Sql = "asyncpg.Connection[asyncpg.Record]"
Sign = Callable[[], Awaitable[None]]
KEY = str(LOG.verifier)


@pytest.fixture
def workspace_id(workspace: Tenant) -> uuid.UUID:
    found = ids.decode("ws", workspace.id)
    assert found is not None
    return found


@pytest.fixture
def sign(app: Running, workspace_id: uuid.UUID, tmp_path: Path) -> Sign:
    integrator = Integrator(app.ledger, Heads(tmp_path / "heads"))

    follower = Follower(app.ledger)

    async def sign() -> None:
        await integrator.integrate([workspace_id])
        while await follower.follow(workspace_id) is Progress.MORE:
            pass

    return sign


@pytest.fixture
async def sql(app: Running) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(asyncpg_dsn(app.ledger.db.url))
    yield connection
    await connection.close()


def file_of(folder: Path, name: str, data: str | bytes) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return str(path)


def found_in(done: Any) -> list[dict[str, Any]]:
    """The checks of a verdict printed as JSON."""
    return [check for verdict in json.loads(done.stdout)["verdicts"] for check in verdict["checks"]]


class TestJsonProof:
    def test_a_good_one(self, shell: Shell, tmp_path: Path) -> None:
        path = file_of(tmp_path, "proof.json", document())
        done = shell.run("verify", path, "--key", KEY)
        assert (done.returncode, done.stderr) == (0, "")
        assert "PROVEN, under a key that you trust." in done.stdout

    def test_a_key_that_was_not_named_is_not_trusted(self, shell: Shell, tmp_path: Path) -> None:
        path = file_of(tmp_path, "proof.json", document())
        done = shell.run("verify", path)
        assert done.returncode == 1
        assert "which you have not named as trusted" in done.stdout
        assert "NOT TRUSTED" in done.stdout

    def test_another_key_of_the_same_name_is_another_key(self, shell: Shell, tmp_path: Path) -> None:
        other = Signer(LOG.name, Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32))
        path = file_of(tmp_path, "proof.json", document())
        assert shell.run("verify", path, "--key", str(other.verifier)).returncode == 1

    @pytest.mark.parametrize(
        ("change", "subject"),
        [
            (lambda found: found | {"index": 5}, "position"),
            (lambda found: found | {"treeSize": 12}, "checkpoint"),
            (lambda found: found | {"leafHash": "00" * 32}, "leaf"),
            (lambda found: found | {"salt": "00" * 16}, "content"),
            (lambda found: found | {"checkpoint": found["checkpoint"].replace("\n11\n", "\n12\n")}, "checkpoint"),
        ],
    )
    def test_a_changed_one(self, shell: Shell, tmp_path: Path, change: Any, subject: str) -> None:
        path = file_of(tmp_path, "proof.json", json.dumps(change(json.loads(document()))))
        done = shell.run("verify", path, "--key", KEY, "--json")
        assert done.returncode == 1
        assert subject in {check["subject"] for check in found_in(done) if not check["passed"]}

    def test_several_files_are_good_only_together(self, shell: Shell, tmp_path: Path) -> None:
        good = file_of(tmp_path, "good.json", document())
        bad = file_of(tmp_path, "bad.json", document().replace(b'"index":4', b'"index":3'))
        done = shell.run("verify", good, bad, "--key", KEY)
        assert done.returncode == 1
        assert done.stdout.count("PROVEN, under") == 1

    @pytest.mark.parametrize("text", ["", "{}", "[", '{"envelope": 1}'])
    def test_what_is_no_proof_is_wrong_use(self, shell: Shell, tmp_path: Path, text: str) -> None:
        done = shell.run("verify", file_of(tmp_path, "x.json", text))
        assert (done.returncode, done.stdout) == (2, "")

    def test_wrong_use(self, shell: Shell, tmp_path: Path) -> None:
        path = file_of(tmp_path, "proof.json", document())
        for arguments in (("nothing.json",), (path, "--key", "x"), (path, "--policy", "nowhere")):
            done = shell.run("verify", *arguments)
            assert (done.returncode, done.stdout) == (2, ""), done
            assert done.stderr.startswith("error:")


class TestErased:
    """A proof without content, and the certificate of its erasure."""

    def certificate(self, folder: Path, *, signer: Signer = LOG, first: int = 5) -> str:
        said = Certificate(
            origin=signer.name,
            id="erasure-1",
            kind="erasure",
            selector="userId",
            selector_hash=None,
            reason="ticket 8",
            by="user_1",
            requested="2026-11-22T10:00:00.000Z",
            erased="2026-11-22T10:00:03.000Z",
            cleaned="2026-11-22T10:00:09.000Z",
            backups="2026-11-22T10:00:09.000Z",
            rows=1,
            steps=(),
            ranges=((first, first),),
        )
        return file_of(folder, f"{first}.note", str(sign_certificate(said, signer)))

    def test_that_it_was_erased_is_told(self, shell: Shell, tmp_path: Path) -> None:
        path = file_of(tmp_path, "proof.json", document(erased=True))
        done = shell.run("verify", path, "--key", KEY)
        assert done.returncode == 0, done.stdout
        assert "Content erased, position and commitment proven" in done.stdout

    def test_when_and_why_says_the_certificate(self, shell: Shell, tmp_path: Path) -> None:
        path = file_of(tmp_path, "proof.json", document(erased=True))
        others = ("--certificate", self.certificate(tmp_path, first=4))
        done = shell.run("verify", path, "--key", KEY, *others, "--certificate", self.certificate(tmp_path))
        assert done.returncode == 0, done.stdout
        when = "Content erased on 2026-11-22 10:00:03.000 UTC, position and commitment proven. Reason: ticket 8"
        assert when in done.stdout
        done = shell.run("verify", path, "--key", KEY, *others)
        assert (done.returncode, "names interaction number 5" in done.stdout) == (1, True)

    def test_beside_a_proof_file_too(self, shell: Shell, tmp_path: Path) -> None:
        found = json.loads(document(erased=True))
        record = file_of(tmp_path, "record.json", json.dumps({"envelope": found["envelope"]}))
        made = ProofFile(4, tuple(bytes.fromhex(each) for each in found["path"]), head())
        proof = file_of(tmp_path, "x.tlog-proof", str(made))
        done = shell.run("verify", proof, "--record", record, "--key", KEY)
        assert (done.returncode, "erased, or left out" in done.stdout) == (0, True)
        more = ("--certificate", self.certificate(tmp_path))
        done = shell.run("verify", proof, "--record", record, "--key", KEY, *more)
        assert (done.returncode, "Content erased on 2026-11-22" in done.stdout) == (0, True)

    def test_a_certificate_of_others(self, shell: Shell, tmp_path: Path) -> None:
        path = file_of(tmp_path, "proof.json", document(erased=True))
        key = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)
        older = Signer(LOG.name + "/e1", key)
        for signer, keys, code in (
            (Signer(LOG.name, key), (), 1),
            (Signer("other.example/main", key), (), 1),
            (older, (), 1),
            (older, ("--key", str(older.verifier)), 0),
        ):
            certificate = self.certificate(tmp_path, signer=signer)
            done = shell.run("verify", path, "--key", KEY, *keys, "--certificate", certificate)
            assert done.returncode == code, done.stdout
        text = Path(self.certificate(tmp_path)).read_text().replace("ticket 8", "ticket 9")
        changed = file_of(tmp_path, "changed.note", text)
        done = shell.run("verify", path, "--key", KEY, "--certificate", changed)
        assert (done.returncode, "NOT PROVEN" in done.stdout) == (1, True)

    def test_what_is_no_certificate_is_wrong_use(self, shell: Shell, tmp_path: Path) -> None:
        path = file_of(tmp_path, "proof.json", document(erased=True))
        for file in (path, "nowhere"):
            assert shell.run("verify", path, "--certificate", file).returncode == 2


class TestPolicy:
    WITNESS = Signer("w.example", Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32), COSIGNATURE_V1)

    def policy(self, folder: Path) -> str:
        text = f"log {KEY}\nwitness W {self.WITNESS.verifier}\nquorum W\n"
        return file_of(folder, "policy.txt", text)

    def test_the_quorum_is_needed(self, shell: Shell, tmp_path: Path) -> None:
        path = file_of(tmp_path, "proof.json", document())
        done = shell.run("verify", path, "--policy", self.policy(tmp_path))
        assert done.returncode == 1
        assert "not a quorum" in done.stdout

    def test_the_quorum_is_there(self, shell: Shell, tmp_path: Path) -> None:
        note = head().signed([cosign(head(), self.WITNESS, 1_700_000_000)])
        path = file_of(tmp_path, "proof.json", json.dumps(json.loads(document()) | {"checkpoint": str(note)}))
        done = shell.run("verify", path, "--policy", self.policy(tmp_path))
        assert done.returncode == 0, done.stdout
        assert "under the head: W; a quorum" in done.stdout

    def test_a_line_that_is_wrong_is_named(self, shell: Shell, tmp_path: Path) -> None:
        path = file_of(tmp_path, "proof.json", document())
        done = shell.run("verify", path, "--policy", file_of(tmp_path, "policy.txt", "quorum none\nlog x\n"))
        assert done.returncode == 2
        assert "Line 2" in done.stderr


class TestProof:
    async def test_saved_and_checked_without_a_server(
        self, person: Person, client: httpx.AsyncClient, sign: Sign, tmp_path: Path
    ) -> None:
        await post(client, 3)
        await sign()
        row = (await client.get("/api/interactions")).json()["data"][0]
        key, path = await key_of(client), str(tmp_path / "proof.json")
        assert await person.get("proof", row["interactionId"], "-o", path) == ""
        alone = Shell(tmp_path / "elsewhere", {"PROVENANCE_API_URL": "http://127.0.0.1:9"}, person.shell.zygote)
        assert alone.run("verify", path, "--key", key).returncode == 0

    async def test_a_proof_file_needs_its_record(
        self, person: Person, client: httpx.AsyncClient, sign: Sign, tmp_path: Path
    ) -> None:
        await post(client, 3)
        await sign()
        rows = (await client.get("/api/interactions")).json()["data"]
        proof = file_of(
            tmp_path, "x.tlog-proof", await person.get("proof", rows[0]["interactionId"], "--format", "tlog-proof")
        )
        mine, other = [
            file_of(tmp_path, f"{at}.json", await person.get("proof", rows[at]["interactionId"], "--format", "record"))
            for at in (0, 1)
        ]
        key = await key_of(client)
        assert (await person.run("verify", proof, "--record", mine, "--key", key)).returncode == 0
        done = await person.run("verify", proof, "--record", other, "--key", key)
        assert done.returncode == 1
        assert "does not lead from this record" in done.stdout
        changed = file_of(tmp_path, "changed.json", Path(mine).read_text().replace("ada", "eve"))
        assert "not the one that was committed" in (await person.run("verify", proof, "--record", changed)).stdout
        assert (await person.run("verify", proof)).returncode == 2
        assert (await person.run("verify", proof, "--record", proof)).returncode == 2

    async def test_against_a_head_that_a_witness_signed(
        self, app: Running, person: Person, client: httpx.AsyncClient, sign: Sign, workspace_id: uuid.UUID
    ) -> None:
        await post(client, 1)
        await sign()
        row = (await client.get("/api/interactions")).json()["data"][0]
        done = await person.run("proof", row["interactionId"], "--cosigned", "--wait", "0")
        assert (done.returncode, "not_cosigned" in done.stderr) == (1, True)
        async with app.ledger.db.housekeeping(workspace_id) as tx:
            found = await log_queries.head(tx, 0)
            assert found is not None
            note = Note.parse(found.note)
            signed = note.signed([cosign(note, TestPolicy.WITNESS, 1_700_000_000)])
            await log_queries.replace_note(tx, found, str(signed))
            await witness_queries.claim(tx, 0)
            await witness_queries.note_cosigned(tx, found.epoch, found.size)
        await post(client, 1)
        await sign()
        for cosigned, size in ((("--cosigned",), 1), ((), 2)):
            proof = json.loads(await person.get("proof", row["interactionId"], *cosigned))
            assert (proof["treeSize"], "w.example" in proof["checkpoint"]) == (size, bool(cosigned))

    async def test_it_waits_for_the_log_only_so_long(self, person: Person, client: httpx.AsyncClient) -> None:
        await post(client, 1)
        row = (await client.get("/api/interactions")).json()["data"][0]
        done = await person.run("proof", row["interactionId"], "--wait", "0.3")
        assert (done.returncode, "not_integrated" in done.stderr) == (1, True)
        assert (await person.run("proof", "x")).returncode == 1


class TestPack:
    async def test_written_twice_and_checked(
        self, person: Person, client: httpx.AsyncClient, sign: Sign, tmp_path: Path
    ) -> None:
        await post(client, 5)
        await sign()
        first, second = tmp_path / "one.zip", tmp_path / "two.zip"
        said = await person.get("evidence", "--uow", UOW, "-o", str(first))
        assert "5 records" in said
        made = json.loads(await person.get("evidence", "--uow", UOW, "-o", str(second), "--json"))
        assert made["sha256"] in said
        assert first.read_bytes() == second.read_bytes()
        key = await key_of(client)
        assert (await person.run("verify", str(first), "--key", key)).returncode == 0
        done = await person.run("verify", str(first), "--json")
        assert done.returncode == 1
        assert [check["subject"] for check in found_in(done) if not check["passed"]] == ["trust"]
        assert key in done.stdout

    async def test_its_head_is_compared_with_the_log(
        self, person: Person, client: httpx.AsyncClient, sign: Sign, tmp_path: Path
    ) -> None:
        await post(client, 5)
        await sign()
        pack = str(tmp_path / "one.zip")
        await person.get("evidence", "-r", "door-*", "--where", "interaction.at < 3", "-o", pack)
        await post(client, 300)
        await sign()
        url = person.shell.settings["PROVENANCE_API_URL"]
        done = await person.run("verify", pack, "--log", url, "--key", await key_of(client))
        assert done.returncode == 0, done.stdout
        assert f"holds all that the head in {pack} held (5 entries)" in done.stdout

    async def test_a_changed_one_is_named(
        self, person: Person, client: httpx.AsyncClient, sign: Sign, tmp_path: Path
    ) -> None:
        await post(client, 5)
        await sign()
        path = tmp_path / "one.zip"
        await person.get("evidence", "--uow", UOW, "-o", str(path))
        data = bytearray(path.read_bytes())
        data[200] ^= 1
        path.write_bytes(data)
        done = await person.run("verify", str(path), "--key", await key_of(client))
        assert done.returncode == 1
        assert "README.txt" in done.stdout

    async def test_that_there_is_none(
        self, person: Person, client: httpx.AsyncClient, sign: Sign, tmp_path: Path
    ) -> None:
        await post(client, 2)
        await sign()
        pack = str(tmp_path / "none.zip")
        assert "no record, and that there is none is proven" in await person.get("evidence", "-u", "nobody", "-o", pack)
        done = await person.run("verify", pack, "--key", await key_of(client))
        assert done.returncode == 0, done.stdout
        assert "not one of the log's first 2 entries names the id" in done.stdout

    async def test_what_is_refused(self, person: Person, tmp_path: Path) -> None:
        pack = str(tmp_path / "x.zip")
        assert (await person.run("evidence", "-o", pack)).returncode == 2
        done = await person.run("evidence", "-u", "nobody", "--no-completeness", "-o", pack)
        assert (done.returncode, "nothing_found" in done.stderr) == (1, True)
        assert list(tmp_path.glob("*.zip")) == []


class TestFolder:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A log of 600 entries laid out as tlog-tiles has it."""
        return lay_out(tmp_path / "log", 600)

    def test_a_whole_log(self, shell: Shell, folder: Path) -> None:
        done = shell.run("verify", str(folder), "--key", KEY)
        assert done.returncode == 0, done.stdout
        assert "All 600 entries" in done.stdout

    def test_without_entries(self, shell: Shell, folder: Path) -> None:
        shutil.rmtree(folder / "tile" / "entries")
        assert shell.run("verify", str(folder), "--key", KEY).returncode == 0

    def test_its_own_key_is_shown_and_not_trusted(self, shell: Shell, folder: Path) -> None:
        file_of(folder, "key", KEY + "\n")
        done = shell.run("verify", str(folder))
        assert done.returncode == 1
        assert f"Signed by {KEY}, which you have not named" in done.stdout

    @pytest.mark.parametrize(
        ("path", "said"),
        [
            ("tile/0/001", "the root that was signed"),
            ("tile/0/002.p/88", "the root that was signed"),
            ("tile/1/000.p/2", "tile/1/000.p/2"),
            ("tile/entries/002.p/88", "interaction number 5"),
            ("checkpoint", "does not fit the note"),
        ],
    )
    def test_a_changed_byte_is_found(self, shell: Shell, folder: Path, path: str, said: str) -> None:
        data = bytearray((folder / path).read_bytes())
        data[len(data) // 2 + 9] ^= 1
        (folder / path).write_bytes(data)
        done = shell.run("verify", str(folder), "--key", KEY)
        assert done.returncode == 1
        assert said in done.stdout

    def test_a_missing_tile_is_named(self, shell: Shell, folder: Path) -> None:
        (folder / "tile" / "0" / "001").unlink()
        done = shell.run("verify", str(folder), "--key", KEY)
        assert done.returncode == 1
        assert "the hashes of interactions 257 to 512 are missing" in done.stdout

    def test_no_folder_of_a_log(self, shell: Shell, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        assert shell.run("verify", str(tmp_path / "empty")).returncode == 2


def lay_out(folder: Path, size: int) -> Path:
    entries = [ENVELOPES[number % SIZE] for number in range(size)]
    leaves = [leaf_hash(entry) for entry in entries]
    frontier = Frontier(0, lambda _: b"")
    for tile, hashes in [*frontier.append(leaves), *frontier.partial()]:
        file_of(folder, tile.path, hashes)
    for index in range(-(-size // 256)):
        bundle = Bundle(index, min(256, size - index * 256))
        file_of(folder, bundle.path, pack_entries(entries[index * 256 : index * 256 + bundle.width]))
    file_of(folder, "checkpoint", str(sign_checkpoint(Checkpoint(LOG.name, size, tree_root(leaves)), LOG)))
    return folder


class TestLog:
    async def verify(self, person: Person, client: httpx.AsyncClient, *more: str) -> Any:
        return await person.run("verify", "--key", await key_of(client), "--json", *more)

    async def test_a_whole_log_and_every_content(self, person: Person, client: httpx.AsyncClient, sign: Sign) -> None:
        await post(client, 700)
        await sign()
        done = await self.verify(person, client)
        assert done.returncode == 0, done.stdout
        assert [check["subject"] for check in found_in(done)] == ["checkpoint", "trust", "growth", "entries", "content"]

    async def test_the_head_seen_last_is_remembered(
        self, person: Person, client: httpx.AsyncClient, sign: Sign
    ) -> None:
        await post(client, 10)
        await sign()
        assert "from now on this one is" in (await self.verify(person, client)).stdout
        await post(client, 300)
        await sign()
        done = await self.verify(person, client)
        assert done.returncode == 0
        assert "holds all that the head that you saw last held (10 entries)" in done.stdout

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ("UPDATE interactions SET recorded_by = 'eve' WHERE workspace_id = $1 AND number = 7", "number 7"),
            (
                "UPDATE interactions SET content = replace(content, 'ada', 'eve') "
                "WHERE workspace_id = $1 AND number = 9",
                "interaction number 9: its content is not what was sealed",
            ),
            ("UPDATE interactions SET content = '}{' WHERE workspace_id = $1 AND number = 9", "is no JSON any more"),
            ("UPDATE interactions SET salt = NULL WHERE workspace_id = $1 AND number = 9", "but it was not erased"),
            (
                "UPDATE interactions SET user_id = 'eve' WHERE workspace_id = $1 AND number = 9",
                "the column userId is not what its content says",
            ),
            (
                "DELETE FROM interactions WHERE workspace_id = $1 AND number IN (3, 4, 9)",
                "interaction number 3 to 4, 9: the row is missing",
            ),
            (
                "UPDATE log_tiles SET hashes = decode(repeat('00', 8192), 'hex') WHERE workspace_id = $1",
                "the root that was signed",
            ),
        ],
    )
    async def test_what_was_tampered_with_is_named(
        self,
        person: Person,
        client: httpx.AsyncClient,
        sign: Sign,
        sql: Any,
        workspace_id: uuid.UUID,
        change: str,
        said: str,
    ) -> None:
        await post(client, 300)
        await sign()
        await sql.execute(change, workspace_id)
        done = await person.run("verify", "--key", await key_of(client))
        assert done.returncode == 1
        assert said in done.stdout

    async def test_a_log_that_was_rolled_back(
        self, person: Person, client: httpx.AsyncClient, sign: Sign, sql: Any, workspace_id: uuid.UUID
    ) -> None:
        await post(client, 5)
        await sign()
        kept = await sql.fetchrow("SELECT size, root, edge FROM logs WHERE workspace_id = $1", workspace_id)
        await post(client, 5)
        await sign()
        assert (await self.verify(person, client)).returncode == 0
        await sql.execute("DELETE FROM interactions WHERE workspace_id = $1 AND number > 5", workspace_id)
        await sql.execute("DELETE FROM log_checkpoints WHERE workspace_id = $1 AND size > 5", workspace_id)
        await sql.execute(
            "UPDATE logs SET size = $2, root = $3, edge = $4 WHERE workspace_id = $1", workspace_id, *kept
        )
        done = await self.verify(person, client)
        assert done.returncode == 1
        assert "it was cut or rolled back" in done.stdout

    async def test_a_key_that_was_not_named(self, person: Person, client: httpx.AsyncClient, sign: Sign) -> None:
        await post(client, 5)
        await sign()
        done = await person.run("verify")
        assert done.returncode == 1
        assert f"Signed by {await key_of(client)}, which you have not named" in done.stdout

    async def test_a_reader_checks_what_it_may_see(
        self,
        app: Running,
        client: httpx.AsyncClient,
        sign: Sign,
        person: Person,
        workspace: Tenant,
        make_tenant: MakeTenant,
    ) -> None:
        await post(client, 5)
        await sign()
        await client.post("/api/evidence", json={"filters": {"uowId": UOW}})
        await sign()
        reader = await make_tenant(("interactions:read",), into=workspace.id)
        done = await self.verify(person, client, "--api-key", reader.key)
        assert done.returncode == 0, done.stdout

    async def test_only_the_log_without_contents(self, person: Person, client: httpx.AsyncClient, sign: Sign) -> None:
        await post(client, 5)
        await sign()
        done = await self.verify(person, client, "--no-contents")
        assert done.returncode == 0
        assert "Contents were not looked at" in done.stdout

    async def test_no_server_and_nothing_signed(self, shell: Shell, person: Person) -> None:
        assert shell.run("verify", "--log", "http://127.0.0.1:9", "--api-key", "pv_a_b").returncode == 3
        assert (await person.run("verify")).returncode == 1


class TestWalkIsResumed:
    def test_it_goes_on_where_it_was(self, tmp_path: Path) -> None:
        from provenance.cli.verifying.memory import Memory
        from provenance.cli.verifying.sources import Folder
        from provenance.cli.verifying.walking import Walk

        log = Folder(lay_out(tmp_path / "log", 1500))
        head = Checkpoint.parse(Note.parse(log.checkpoint()).text)
        place, memory = tmp_path / "state.json", Memory()

        class Enough(Exception):
            pass

        def stop(done: int) -> None:
            if done == 768:
                raise Enough

        with pytest.raises(Enough):
            Walk(log, head, memory, contents=False).run(stop)
        memory.save(place)
        again, seen = Memory.load(place), list[int]()
        assert again.done == 768
        Walk(log, head, again, contents=False).run(seen.append)
        assert (seen, again.faults) == ([1024, 1280, 1500], [])

    def test_a_damaged_memory_begins_anew(self, tmp_path: Path) -> None:
        from provenance.cli.verifying.memory import Memory

        path = tmp_path / "state.json"
        for text in ("", "[]", '{"done": "x", "more": 1}'):
            path.write_text(text)
            assert Memory.load(path) == Memory()
        memory = Memory(done=512, edge=["00"])
        assert memory.frontier().size == 0


def test_numbers_are_told_as_ranges() -> None:
    assert named([1, 2, 3, 7, 9, 10]) == "1 to 3, 7, 9 to 10"
    assert named([]) == ""
