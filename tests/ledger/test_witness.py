"""Witnessing over real HTTP: two installations cosign one another; each refusal; forks and roll-backs on both sides."""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.core.clock import now_ns
from provenance.core.db import asyncpg_dsn
from provenance.core.egress import Egress
from provenance.core.settings import Settings
from provenance.ledger.log.heads import Heads
from provenance.ledger.log.integrating import Integrator
from provenance.ledger.witness import queries, service, tasks
from provenance.ledger.witness.asking import MINUTE, Rounds
from provenance.ledger.witness.schemas import Outcome, State
from provenance.proof.add_checkpoint import AddCheckpoint, read_cosignatures
from provenance.proof.checkpoints import Checkpoint, sign_checkpoint
from provenance.proof.cosignatures import verify_cosignatures
from provenance.proof.leaf import leaf_hash
from provenance.proof.merkle import EMPTY_ROOT, consistency_proof, tree_root
from provenance.proof.notes import COSIGNATURE_V1, Note, Signer, VerifierKey, sign
from provenance.proof.policy import Policy
from provenance.proof.proof_file import ProofFile
from tests.conftest import Running, Tenant, fresh_database, make_tenant_of, running
from tests.ledger.test_log import id_of, post, status

Sql = "asyncpg.Connection[asyncpg.Record]"


def leaf(number: int, branch: str = "") -> bytes:
    return leaf_hash(f"{branch}{number}".encode())


def leaves(size: int, *, fork_at: int | None = None) -> list[bytes]:
    return [leaf(n, "other" if fork_at is not None and n >= fork_at else "") for n in range(size)]


@dataclass
class Log:
    """A log made up by a test, with its own key, and the server it shows its heads to."""

    origin: str
    url: str
    signer: Signer = field(init=False)

    def __post_init__(self) -> None:
        secret = hashlib.sha256(self.origin.encode()).digest()
        self.signer = Signer(self.origin, Ed25519PrivateKey.from_private_bytes(secret))

    def head(self, made: Sequence[bytes], *by: Signer) -> Note:
        root = tree_root(list(made)) if made else EMPTY_ROOT
        return sign_checkpoint(Checkpoint(self.origin, len(made), root), *(by or (self.signer,)))

    def request(self, old: int, made: Sequence[bytes]) -> str:
        proof = tuple(consistency_proof(list(made), old)) if old <= len(made) else ()
        return str(AddCheckpoint(old, proof, self.head(made)))

    async def ask(self, body: str | bytes) -> httpx.Response:
        async with httpx.AsyncClient() as client:
            return await client.post(f"{self.url}/witness/add-checkpoint", content=body)

    async def shown(self, old: int, made: Sequence[bytes]) -> httpx.Response:
        return await self.ask(self.request(old, made))


@pytest.fixture
async def sql(app: Running) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(asyncpg_dsn(app.ledger.db.url))
    yield connection
    await connection.close()


async def trusted(server: Running, origin: str, key: VerifierKey) -> None:
    async with server.ledger.db.housekeeping() as tx:
        await service.trust(tx.inside(await queries.instance(tx)), origin, str(key))


@pytest.fixture
async def log(app: Running) -> Log:
    """A log that the run's server witnesses."""
    made = Log(f"log.example/{uuid.uuid4()}", app.url)
    await trusted(app, made.origin, made.signer.verifier)
    return made


async def witness_key(server: Running) -> VerifierKey:
    async with httpx.AsyncClient(base_url=server.url) as client:
        return VerifierKey.parse((await client.get("/witness/key")).text.strip())


async def incidents(server: Running, origin: str) -> list[str]:
    """The kinds of incidents that the installation has recorded of a log it witnesses, early first."""
    connection = await asyncpg.connect(asyncpg_dsn(server.ledger.db.url))
    rows = await connection.fetch(
        "SELECT content::jsonb -> 'interaction' ->> 'kind' AS kind FROM interactions AS i "
        "JOIN workspaces AS w ON w.id = i.workspace_id AND w.instance "
        "WHERE content::jsonb -> 'interaction' ->> 'origin' = $1 AND content::jsonb ->> 'resourceId' = 'witness' "
        "ORDER BY number",
        origin,
    )
    await connection.close()
    return [row["kind"] for row in rows]


class TestAddCheckpoint:
    """Each status of tlog-witness."""

    async def test_a_log_that_grows_is_cosigned(self, app: Running, log: Log) -> None:
        key = await witness_key(app)
        assert (key.name, key.kind) == ("provenance.local/witness", COSIGNATURE_V1)
        before = 0
        for size in (1, 7, 8, 8, 300, 1000):
            answer = await log.shown(before, leaves(size))
            assert answer.status_code == 200, answer.text
            head = log.head(leaves(size))
            [found] = verify_cosignatures(head.signed(read_cosignatures(answer.text, head, [key])), [key])
            assert found.time > 1_700_000_000
            before = size
        assert await incidents(app, log.origin) == []

    async def test_a_log_without_leaves(self, log: Log) -> None:
        assert (await log.shown(0, [])).status_code == 200
        assert (await log.shown(0, leaves(3))).status_code == 200

    async def test_an_unknown_log_is_404(self, app: Running) -> None:
        stranger = Log("stranger.example/log", app.url)
        answer = await stranger.shown(0, leaves(3))
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/plain")

    async def test_another_key_is_403_and_further_keys_count_once_trusted(self, app: Running, log: Log) -> None:
        new = Signer(log.origin, Ed25519PrivateKey.generate())
        signed = str(AddCheckpoint(0, (), log.head(leaves(3), new)))
        assert (await log.ask(signed)).status_code == 403
        whole = log.request(0, leaves(3))
        torn = whole[:-3] + ("Q" if whole[-3] == "A" else "A") + whole[-2:]
        assert (await log.ask(torn)).status_code in (400, 403)
        await trusted(app, log.origin, new.verifier)
        assert (await log.ask(signed)).status_code == 200
        both = log.head(leaves(5), log.signer, new).signed(log.head(leaves(5), Log("x.example", "").signer).signatures)
        assert (await log.ask(str(AddCheckpoint(3, tuple(consistency_proof(leaves(5), 3)), both)))).status_code == 200

    async def test_an_old_size_beyond_the_head_is_400(self, log: Log) -> None:
        assert (await log.shown(4, leaves(3))).status_code == 400

    async def test_another_old_size_is_409_with_the_right_one(self, log: Log) -> None:
        assert (await log.shown(0, leaves(10))).status_code == 200
        for old, size in ((0, 20), (9, 20), (11, 20), (0, 10)):
            answer = await log.shown(old, leaves(size))
            assert (answer.status_code, answer.text) == (409, "10\n")
            assert answer.headers["content-type"] == "text/x.tlog.size"
        assert (await log.shown(10, leaves(20))).status_code == 200

    async def test_another_root_of_the_same_size_is_409_and_reported(self, app: Running, log: Log) -> None:
        await log.shown(0, leaves(10))
        answer = await log.shown(10, leaves(10, fork_at=5))
        assert (answer.status_code, answer.text) == (409, "10\n")
        assert (await log.shown(0, leaves(10, fork_at=6))).status_code == 409
        assert await incidents(app, log.origin) == ["witnessed_log_forked"]

    @pytest.mark.parametrize(("size", "old"), [(20, 10), (20, 8), (9, 8)])
    async def test_a_fork_that_grew_is_422_and_reported(self, app: Running, log: Log, size: int, old: int) -> None:
        await log.shown(0, leaves(old))
        assert (await log.shown(old, leaves(size, fork_at=5))).status_code == 422
        assert await incidents(app, log.origin) == ["witnessed_log_inconsistent"]
        assert (await log.shown(old, leaves(size))).status_code == 200

    async def test_a_proof_where_none_belongs_is_422(self, log: Log) -> None:
        body = str(AddCheckpoint(0, (leaf(1),), log.head(leaves(3))))
        assert (await log.ask(body)).status_code == 422
        await log.shown(0, leaves(3))
        body = str(AddCheckpoint(3, (leaf(1),), log.head(leaves(3))))
        assert (await log.ask(body)).status_code == 422

    async def test_a_roll_back_is_refused_and_reported_once(self, app: Running, log: Log) -> None:
        await log.shown(0, leaves(10))
        assert (await log.shown(4, leaves(6))).status_code == 409
        assert (await log.shown(10, leaves(6))).status_code == 400
        assert (await log.shown(0, leaves(7, fork_at=2))).status_code == 409
        assert await incidents(app, log.origin) == ["witnessed_log_rolled_back"]

    async def test_a_log_that_is_not_witnessed_any_more_is_not_forgotten(self, app: Running, log: Log) -> None:
        await log.shown(0, leaves(10))
        async with app.ledger.db.housekeeping() as tx:
            await service.distrust(tx.inside(await queries.instance(tx)), log.origin)
        assert (await log.shown(10, leaves(11))).status_code == 404
        await trusted(app, log.origin, log.signer.verifier)
        assert (await log.shown(0, leaves(5, fork_at=1))).status_code == 409

    async def test_a_body_over_the_limit(self, log: Log) -> None:
        assert (await log.ask(log.request(0, leaves(1)) + "x" * 70_000)).status_code == 413

    async def test_requests_at_once_never_cosign_two_logs(self, app: Running, second: Running, log: Log) -> None:
        """Many branches, two servers: what was cosigned is one chain."""
        branches = [leaves(3 + number % 5, fork_at=number % 4) for number in range(24)]
        beside = Log(log.origin, second.url)
        answers = await asyncio.gather(
            *((log if number % 2 else beside).shown(0, branch) for number, branch in enumerate(branches))
        )
        assert {answer.status_code for answer in answers} == {200, 409}
        [winner] = [branch for branch, answer in zip(branches, answers, strict=True) if answer.status_code == 200]
        longer = [winner + leaves(40, fork_at=number)[len(winner) : 10 + number] for number in range(20)]
        answers = await asyncio.gather(*(log.shown(len(winner), each) for each in longer))
        assert [answer.status_code for answer in answers].count(200) == 1


WORDS = st.sampled_from(
    [
        "old ",
        "old 0",
        "old 1\n",
        "\n",
        "\n\n",
        "0",
        "9" * 20,
        "— x AAAA\n",
        "A" * 43 + "=",
        "\0",
        "\r\n",
        "é",
    ]
)


@st.composite
def broken(draw: st.DrawFn, good: str) -> bytes:
    """A request with something cut out of it and something put in, or nothing but rubbish."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=300)) + draw(WORDS).encode()
    start, end = sorted((draw(st.integers(0, len(good))), draw(st.integers(0, len(good)))))
    end = min(end, start + draw(st.integers(0, 12)))
    put = draw(st.text(max_size=6) | WORDS)
    return (good[:start] + put + good[end:]).encode(errors="surrogatepass")


class TestBadRequests:
    @pytest.mark.parametrize(
        "change",
        [
            ("old 0\n", "old 00\n"), ("old 0\n", "old +0\n"), ("old 0\n", "old  0\n"), ("old 0\n", "Old 0\n"),
            ("old 0\n", ""), ("old 0\n", "old 0\r\n"), ("old 0\n", "old 9223372036854775808\n"),
            ("old 0\n", "old 0\nAAAA\n"), ("old 0\n", "old 0\n" + (("A" * 43 + "=\n") * 64)), ("\n\n", "\n"),
            ("old 0\n\n", "old 0\n\n\n"), ("\n3\n", "\n03\n"), ("— ", "- "),
        ],
    )  # fmt: skip
    async def test_what_is_malformed_is_400(self, log: Log, change: tuple[str, str]) -> None:
        answer = await log.ask(log.request(0, leaves(3)).replace(*change, 1))
        assert answer.status_code == 400, answer.text
        assert answer.headers["content-type"].startswith("text/plain")

    async def test_no_body_is_a_failure_of_the_server(self, app: Running, log: Log) -> None:
        good = log.request(0, leaves(3))
        bodies: list[bytes] = []

        @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
        @given(broken(good))
        def gather(body: bytes) -> None:
            bodies.append(body)

        await asyncio.to_thread(gather)
        async with httpx.AsyncClient() as client:
            for body in bodies:
                answer = await client.post(f"{app.url}/witness/add-checkpoint", content=body)
                assert answer.status_code in (200, 400, 403, 404, 409, 422), body
                assert answer.status_code != 200 or AddCheckpoint.parse(body).note.text == Note.parse(good[7:]).text


@pytest.fixture(scope="module")
async def other(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A second installation, with a database and a name of its own."""
    async with fresh_database(postgres_url) as url:
        data = tmp_path_factory.mktemp("other")
        made = Settings(database_url=url, data_dir=data, port=0, min_free_bytes=0, instance_name="other.example")
        async with running(made) as found:
            yield found


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    made = Egress(["127.0.0.1"])
    yield made
    await made.close()


@dataclass
class Witnessed:
    """A workspace of an installation whose log another installation witnesses."""

    server: Running
    workspace_id: uuid.UUID
    client: httpx.AsyncClient
    integrator: Integrator
    rounds: Rounds
    sql: "asyncpg.Connection[asyncpg.Record]"

    async def grow(self, count: int, first: int = 0) -> None:
        await post(self.client, count, first=first)
        await self.integrator.integrate([self.workspace_id])

    async def round(self) -> Outcome:
        [outcome] = await self.rounds.round(self.workspace_id)
        return outcome

    async def again(self) -> None:
        """Let the pause after a failure be over."""
        await self.sql.execute("UPDATE witness_answers SET retry_at = 0 WHERE workspace_id = $1", self.workspace_id)

    async def roll_back(self, folder: Path, *, answers: bool = True) -> None:
        """Somebody who holds the database and its key begins the ledger again, and the heads outside are lost."""
        for statement in (
            "DELETE FROM interactions WHERE workspace_id = $1",
            "DELETE FROM log_tiles WHERE workspace_id = $1",
            "DELETE FROM log_checkpoints WHERE workspace_id = $1",
            "UPDATE logs SET size = 0, root = sha256(''), edge = ''::bytea WHERE workspace_id = $1",
            *(["DELETE FROM witness_answers WHERE workspace_id = $1"] if answers else []),
        ):
            await self.sql.execute(statement, self.workspace_id)
        self.integrator = Integrator(self.server.ledger, Heads(folder))

    async def found(self) -> list[str]:
        items = (await self.client.get("/api/log/incidents")).json()["items"]
        return [each["kind"] for each in items]

    async def origin(self) -> str:
        return str((await status(self.client))["origin"])


async def ask_of(server: Running, workspace_id: uuid.UUID, url: str, key: VerifierKey) -> None:
    async with server.ledger.db.housekeeping(workspace_id) as tx:
        await service.add(tx, url, str(key))


@pytest.fixture
async def mine(
    app: Running,
    other: Running,
    client: httpx.AsyncClient,
    workspace: Tenant,
    egress: Egress,
    tmp_path: Path,
    sql: "asyncpg.Connection[asyncpg.Record]",
) -> Witnessed:
    """A fresh workspace of the run's server with 300 rows under a signed head, to be witnessed by the other one."""
    workspace_id = id_of(workspace)
    rounds = Rounds(app.ledger, egress, pause=0)
    made = Witnessed(app, workspace_id, client, Integrator(app.ledger, Heads(tmp_path)), rounds, sql)
    await made.grow(300)
    key = VerifierKey.parse((await client.get("/api/log/key")).text.strip())
    await trusted(other, await made.origin(), key)
    await ask_of(app, workspace_id, f"{other.url}/witness/", await witness_key(other))
    return made


class TestTwoInstallations:
    async def test_they_cosign_one_another(
        self, app: Running, other: Running, mine: Witnessed, egress: Egress, tmp_path: Path
    ) -> None:
        """The loops of both workers, no more than told whom to ask and whom to trust."""
        tenant = await make_tenant_of(other.ledger)
        async with httpx.AsyncClient(base_url=other.url, headers={"x-api-key": tenant.key}, timeout=30) as theirs:
            await post(theirs, 5)
            await Integrator(other.ledger, Heads(tmp_path / "theirs")).integrate([id_of(tenant)])
            key = VerifierKey.parse((await theirs.get("/api/log/key")).text.strip())
            await trusted(app, key.name, key)
            async with other.ledger.db.housekeeping() as tx:  # this one for every log of the installation
                everywhere = await queries.instance(tx)
                await service.add(tx.inside(everywhere), f"{app.url}/witness", str(await witness_key(app)))
            stop = asyncio.Event()
            for server in (app, other):
                server.ledger.settings.egress_allow.append("127.0.0.1")
            loops = [asyncio.create_task(tasks.run(server.ledger, stop)) for server in (app, other)]
            try:
                for client, size, by in ((mine.client, 300, other), (theirs, 5, app)):
                    async with asyncio.timeout(20):
                        while (await status(client))["cosignedSize"] != size:
                            await asyncio.sleep(0.02)
                    note = Note.parse((await client.get("/api/log/cosigned")).text)
                    assert verify_cosignatures(note, [await witness_key(by)])
                    assert str(note) == (await client.get("/api/log/checkpoint")).text
                    [shown] = (await status(client))["witnesses"]  # type: ignore[misc]
                    assert (shown["state"], shown["lastSize"], shown["error"]) == ("cosigned", size, None)
                    assert shown["lastAt"]
            finally:
                stop.set()
                await asyncio.gather(*loops)
                for server in (app, other):
                    server.ledger.settings.egress_allow.clear()

    async def test_a_cosigned_head_stays_when_others_follow(self, mine: Witnessed) -> None:
        assert (await mine.client.get("/api/log/cosigned")).json()["code"] == "not_cosigned"
        for size in (300, 311, 321):  # that the witness was added is a row too
            outcome = await mine.round()
            assert (outcome.state, outcome.size) == (State.COSIGNED, size)
            await mine.grow(10, first=size)
        sizes = await mine.sql.fetch(
            "SELECT size FROM log_checkpoints WHERE workspace_id = $1 AND note LIKE '%other.example/witness%'",
            mine.workspace_id,
        )
        assert {row["size"] for row in sizes} == {300, 311, 321}
        found = await status(mine.client)
        assert (found["integratedSize"], found["cosignedSize"]) == (331, 321)

    async def test_a_proof_satisfies_a_policy_with_a_quorum(self, mine: Witnessed, other: Running) -> None:
        row = (await mine.client.get("/api/interactions?limit=1")).json()["data"][0]
        early = (await mine.client.get("/api/interactions?limit=1&resourceId=door-7")).json()["data"][0]
        path = f"/api/interactions/{early['interactionId']}/proof?cosigned=true"
        assert (await mine.client.get(path)).json()["code"] == "not_cosigned"
        await mine.round()
        await mine.grow(10, first=300)
        key = (await mine.client.get("/api/log/key")).text.strip()
        stranger = Signer("stranger.example/w", Ed25519PrivateKey.generate(), COSIGNATURE_V1).verifier
        lines = f"log {key}\nwitness other {await witness_key(other)}\nwitness stranger {stranger}\n"
        proof = ProofFile.parse((await mine.client.get(path)).text)
        envelope = (await mine.client.get(path, headers={"accept": "application/json"})).json()["envelope"]
        checkpoint = proof.verify(leaf_hash(envelope.encode()), [VerifierKey.parse(key)])
        assert checkpoint.size == 300
        for quorum, met in (("any", True), ("all", False), ("1", True), ("2", False)):
            policy = Policy.parse(f"{lines}group both {quorum} other stranger\nquorum both\n")
            assert policy.is_met(policy.witnessed_by(proof.note)) is met
        newest = await mine.client.get(f"/api/interactions/{row['interactionId']}/proof?cosigned=true")
        assert newest.json()["code"] == "not_integrated"  # no witness has seen it yet

    async def test_a_log_is_shown_once_a_minute_and_by_one_process(self, mine: Witnessed, egress: Egress) -> None:
        ours = [Rounds(mine.server.ledger, egress) for _ in range(3)]
        results = await asyncio.gather(*(each.round(mine.workspace_id) for each in ours))
        assert sorted(len(each) for each in results) == [0, 0, 1]
        await mine.grow(10, first=300)
        assert await ours[0].round(mine.workspace_id) == []

    async def test_a_witness_that_knows_more_than_we_remember_is_asked_from_there(self, mine: Witnessed) -> None:
        await mine.round()
        await mine.sql.execute("DELETE FROM witness_answers WHERE workspace_id = $1", mine.workspace_id)
        await mine.grow(10, first=300)
        assert (await mine.round()).state is State.COSIGNED

    async def test_a_witness_that_does_not_know_the_log(self, mine: Witnessed, other: Running) -> None:
        async with other.ledger.db.housekeeping() as tx:
            await service.distrust(tx.inside(await queries.instance(tx)), await mine.origin())
        outcome = await mine.round()
        assert outcome.state is State.REFUSED
        assert "witness trust" in str(outcome.error)
        assert await mine.rounds.round(mine.workspace_id) == []  # left alone for a while
        assert await mine.found() == []


class TestContradictions:
    """A witness and the log can't both be right: refused there, recorded on both sides."""

    async def test_a_fork_that_grew(self, mine: Witnessed, other: Running, tmp_path: Path) -> None:
        await mine.round()
        await mine.roll_back(tmp_path / "fork", answers=False)
        await mine.grow(350, first=5000)
        outcome = await mine.round()
        assert (outcome.state, outcome.size) == (State.DISAGREES, 300)
        assert await mine.found() == ["witness_disagrees"]
        assert await incidents(other, await mine.origin()) == ["witnessed_log_inconsistent"]
        found = await status(mine.client)
        assert (found["cosignedSize"], found["incidents"]) == (300, 1)
        await mine.again()
        await mine.round()
        assert await mine.found() == ["witness_disagrees"]

    async def test_a_fork_of_the_same_size(self, mine: Witnessed, other: Running, tmp_path: Path) -> None:
        await mine.round()
        await mine.roll_back(tmp_path / "fork")
        await mine.grow(300, first=5000)
        outcome = await mine.round()
        assert (outcome.state, outcome.size) == (State.DISAGREES, 300)
        assert "another head of 300" in str(outcome.error)
        assert await incidents(other, await mine.origin()) == ["witnessed_log_forked"]
        assert await mine.found() == ["witness_disagrees"]

    @pytest.mark.parametrize("answers", [True, False])
    async def test_a_roll_back(self, mine: Witnessed, other: Running, tmp_path: Path, answers: bool) -> None:
        """Whether or not what the witness said went with the rows."""
        await mine.round()
        await mine.roll_back(tmp_path / "fork", answers=answers)
        await mine.grow(200)
        outcome = await mine.round()
        assert outcome.state is State.DISAGREES
        assert outcome.error == "It cosigned 300 leaves, and this log has signed 200."
        assert await mine.found() == ["witness_disagrees"]
        if answers:
            assert await incidents(other, await mine.origin()) == ["witnessed_log_rolled_back"]


class TestOddWitnesses:
    """Witnesses that answer as no witness should: nothing is believed, nothing breaks."""

    @pytest.fixture
    async def odd(
        self, app: Running, client: httpx.AsyncClient, workspace: Tenant, egress: Egress, tmp_path: Path,
        sql: "asyncpg.Connection[asyncpg.Record]",
    ) -> AsyncIterator[tuple[Witnessed, list[web.Response]]]:  # fmt: skip
        """A log whose witness gives these answers, one after another."""
        answers: list[web.Response] = []

        async def answer(request: web.Request) -> web.Response:
            AddCheckpoint.parse(await request.read())
            return answers.pop(0)

        server = web.Application()
        server.router.add_post("/add-checkpoint", answer)
        runner = web.AppRunner(server)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        workspace_id = id_of(workspace)
        rounds = Rounds(app.ledger, egress, pause=0)
        made = Witnessed(app, workspace_id, client, Integrator(app.ledger, Heads(tmp_path)), rounds, sql)
        await made.grow(20)
        key = Signer("odd.example/w", Ed25519PrivateKey.generate(), COSIGNATURE_V1).verifier
        await ask_of(app, workspace_id, f"http://127.0.0.1:{runner.addresses[0][1]}", key)
        yield made, answers
        await runner.cleanup()

    @pytest.mark.parametrize(
        ("status", "body", "kind", "state"),
        [
            (200, b"", "text/plain", State.REFUSED),
            (200, "— odd.example/w AAAA\n".encode(), "text/plain", State.REFUSED),
            (200, "— someone.else AAAAAAAAAAAA\n".encode(), "text/plain", State.REFUSED),
            (200, b"\xff" * 100, "text/plain", State.REFUSED),
            (200, b"x" * 100_000, "text/plain", State.AWAY),
            (409, b"7\n", "text/plain", State.REFUSED),
            (409, b"-7\n", "text/x.tlog.size", State.REFUSED),
            (409, b"0\n", "text/x.tlog.size", State.REFUSED),
            (409, b"21\n", "text/x.tlog.size", State.DISAGREES),
            (422, b"", "text/plain", State.REFUSED),
            (302, b"", "text/plain", State.REFUSED),
            (500, b"", "text/plain", State.REFUSED),
        ],
    )
    async def test_answers(
        self, odd: tuple[Witnessed, list[web.Response]], status: int, body: bytes, kind: str, state: State
    ) -> None:
        log, answers = odd
        answers.append(web.Response(status=status, body=body, content_type=kind))
        outcome = await log.round()
        assert outcome.state is state
        assert outcome.error
        assert not outcome.signatures

    async def test_another_size_each_time(self, odd: tuple[Witnessed, list[web.Response]]) -> None:
        log, answers = odd
        for size in (3, 5, 9):
            answers.append(web.Response(status=409, body=f"{size}\n".encode(), content_type="text/x.tlog.size"))
        assert (await log.round()).state is State.BEHIND

    async def test_a_witness_that_is_away_is_left_alone_longer_each_time(
        self, odd: tuple[Witnessed, list[web.Response]]
    ) -> None:
        log, _ = odd
        nowhere = "UPDATE witnesses SET url = 'http://127.0.0.1:1' WHERE workspace_id = $1"
        await log.sql.execute(nowhere, log.workspace_id)
        minutes = []
        for _ in range(3):
            await log.again()
            asked_at = now_ns()
            assert (await log.round()).state is State.AWAY
            wait = "SELECT retry_at - $2 FROM witness_answers WHERE workspace_id = $1"
            minutes.append(round(await log.sql.fetchval(wait, log.workspace_id, asked_at) / MINUTE))
        assert minutes == [1, 2, 4]
        [shown] = (await status(log.client))["witnesses"]  # type: ignore[misc]
        assert (shown["state"], shown["error"]) == ("away", "127.0.0.1 can't be reached: the connection is refused.")

    async def test_a_private_address_is_not_called_unless_listed(
        self, odd: tuple[Witnessed, list[web.Response]]
    ) -> None:
        log, answers = odd
        closed = Egress()
        log.rounds = Rounds(log.server.ledger, closed, pause=0)
        outcome = await log.round()
        assert outcome.state is State.AWAY
        assert "PROVENANCE_EGRESS_ALLOW" in str(outcome.error)
        assert answers == []
        await closed.close()


class TestSetUp:
    async def test_keys_are_of_the_right_kind(self, app: Running, workspace: Tenant) -> None:
        ours = await witness_key(app)
        theirs = Signer("log.example", Ed25519PrivateKey.generate()).verifier
        async with app.ledger.db.housekeeping(id_of(workspace)) as tx:
            for key in (str(theirs), "nonsense", str(ours)[:-2]):
                with pytest.raises(service.NotAWitnessKey):
                    await service.add(tx, "http://w.example", key)
            with pytest.raises(service.NotAWitnessKey):
                await service.trust(tx, "log.example", str(ours))
            made = await service.add(tx, "http://w.example/witness/", str(ours))
            assert made.url == "http://w.example/witness"
            with pytest.raises(service.WitnessExists):
                await service.add(tx, "http://w.example/witness", str(ours))
            await service.remove(tx, made.url)
            with pytest.raises(service.NoSuchWitness):
                await service.remove(tx, made.url)
            with pytest.raises(service.NoSuchWitness):
                await service.distrust(tx, "nobody.example")

    async def test_the_key_keeps_its_name(self, app: Running, second: Running) -> None:
        before = await witness_key(app)
        second.ledger.settings.instance_name = "renamed.example"
        try:
            assert await witness_key(second) == before
        finally:
            second.ledger.settings.instance_name = app.ledger.settings.instance_name


class TestFormat:
    @given(st.integers(0, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
    def test_a_request_reads_as_it_was_written(self, old: int, proof: list[bytes]) -> None:
        log = Log("log.example/x", "")
        request = AddCheckpoint(old, tuple(proof), log.head(leaves(3)))
        assert AddCheckpoint.parse(str(request).encode()) == request

    def test_the_text_may_have_further_lines_and_blank_ones_not(self) -> None:
        log = Log("log.example/x", "")
        more = sign(f"{log.origin}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nmore\n", log.signer)
        assert AddCheckpoint.parse(f"old 0\n\n{more}").checkpoint.extensions == ("more",)
