"""Tamper theatre (`make tamper-demo`): somebody with the database's password changes the past, and is found out.

One installation in a temporary folder with a signed ledger of 700 rows; every act plays on a fresh copy of its
database. Ends with 1 if anything goes unnoticed.
"""

import asyncio
import http.client
import json
import logging
import sys
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import asyncpg
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.stack import Stack, Tenant, installation
from demo.acts import ACTS
from provenance.core.db import asyncpg_dsn
from provenance.core.ids import parse_uuid
from provenance.core.keyring import Keyring, load_master_key
from provenance.core.settings import Settings
from provenance.ledger.log import queries
from provenance.ledger.log.heads import Heads
from provenance.ledger.log.integrating import Integrator
from provenance.ledger.log.service import prove
from provenance.ledger.self_audit.service import whole_pass
from provenance.ledger.service import Fact, Ledger, record
from provenance.proof.json_proof import verify_json_proof
from provenance.proof.notes import Signer, VerifierKey

ROWS = 700
_GOOD, _BAD = (
    ("\x1b[32m    found\x1b[0m", "\x1b[31mNOT FOUND\x1b[0m") if sys.stdout.isatty() else ("    found", "NOT FOUND")
)


class Theatre:
    """The installation, its one workspace, and copies of its database to play on."""

    def __init__(self, stack: Stack, tenant: Tenant) -> None:
        self.stack = stack
        self.workspace_id = uuid.UUID(tenant.workspace_id)
        self.base = stack.url.partition("?")[0].rpartition("/")[2]
        self.heads = Heads(stack.data)
        self.unnoticed = 0

    def say(self, act: str, found: Iterable[str]) -> None:
        """Print what was found of an act."""
        sentences = list(found)
        self.unnoticed += not sentences
        print(f"{_GOOD if sentences else _BAD}  {act}")
        for sentence in sentences:
            print(f"{'':11}  → {sentence}")

    def url_of(self, database: str) -> str:
        """Return the address of a database of the same server."""
        return self.stack.url.replace(f"/{self.base}?", f"/{database}?")

    @asynccontextmanager
    async def stage(self, template: str) -> AsyncIterator[Ledger]:
        """Copy a database, open its ledger, and drop the copy at the end."""
        await self.admin('DROP DATABASE IF EXISTS "act" WITH (FORCE)')
        await self.admin(f'CREATE DATABASE "act" TEMPLATE "{template}"')
        url = self.url_of("act")
        ledger = Ledger(Settings(database_url=url, data_dir=self.stack.data), url)
        ledger.use(Keyring(await load_master_key(self.stack.data, ledger.db), ledger.db))
        try:
            yield ledger
        finally:
            await ledger.stop()

    async def admin(self, sql: str) -> None:
        """Run a statement beside the databases that are played on."""
        connection = await asyncpg.connect(asyncpg_dsn(self.url_of("postgres")))
        await connection.execute(sql)
        await connection.close()

    async def grow(self, ledger: Ledger, rows: int, text: str) -> None:
        """Record rows and sign the log, as whoever holds the keys can."""
        async with ledger.db.housekeeping(self.workspace_id) as tx:
            for number in range(rows):
                record(tx, Fact(resource_type="DOOR", action="OPEN", resource_id=f"{text}-{number}", data={}))
        await Integrator(ledger, self.heads).integrate([self.workspace_id])


def main() -> None:
    """Play every act."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    print("Starting an installation and signing a ledger …", flush=True)
    with installation() as stack:
        [tenant] = stack.tenants(1)
        ids = _post(stack, tenant)
        stack.stop()
        unnoticed = asyncio.run(_play(Theatre(stack, tenant), ids))
    print("Everything was found." if not unnoticed else f"{unnoticed} acts went unnoticed.")
    sys.exit(1 if unnoticed else 0)


def _post(stack: Stack, tenant: Tenant) -> list[str]:
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=30)
    row = {"resourceType": "DOOR", "action": "OPEN", "origin": "DEMO", "interaction": {"by": "key"}}
    items = [{**row, "resourceId": f"door-{number}"} for number in range(ROWS)]
    headers = {"x-api-key": tenant.key, "content-type": "application/json"}
    connection.request("POST", "/api/interactions/batch", json.dumps(items), headers)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return [item["interactionId"] for item in answer["items"]]


async def _play(theatre: Theatre, ids: list[str]) -> int:
    async with theatre.stage(theatre.base) as ledger:
        await Integrator(ledger, theatre.heads).integrate([theatre.workspace_id])
    await theatre.admin('ALTER DATABASE "act" RENAME TO "signed"')
    async with theatre.stage("signed") as ledger:
        honest = await whole_pass(ledger, theatre.heads, theatre.workspace_id)
    print(f"The untouched ledger: {len(honest)} findings.\n")
    theatre.unnoticed += len(honest)
    for act in ACTS:
        async with theatre.stage("signed") as ledger:
            for statement in act.sql.split(";"):
                await _tamper(ledger, statement, theatre.workspace_id)
            found = await whole_pass(ledger, theatre.heads, theatre.workspace_id)
        theatre.say(act.name, [each.sentence for each in found])
    await _proofs(theatre, ids[6])
    await _histories(theatre)
    return theatre.unnoticed


async def _tamper(ledger: Ledger, statement: str, workspace_id: uuid.UUID) -> None:
    connection = await asyncpg.connect(asyncpg_dsn(ledger.db.url))
    await connection.execute(statement, workspace_id)
    await connection.close()


async def _proofs(theatre: Theatre, interaction_id: str) -> None:
    """Forge a proof, and sign one with another key: what its reader finds without any server."""
    async with theatre.stage("signed") as ledger, ledger.db.housekeeping(theatre.workspace_id) as tx:
        document = (await prove(tx, ledger.catalogues, parse_uuid(interaction_id))).document
        key = VerifierKey.parse((await queries.keys(tx))[-1].verifier_key)
    other = Signer(key.name, Ed25519PrivateKey.generate()).verifier
    for act, forged, trusted in (
        ("a proof is handed over with other content", document.replace(b"door-6", b"door-9"), key),
        ("a proof is handed over with another place", document.replace(b'"index":6', b'"index":9'), key),
        ("a proof is signed by somebody else's key", document, other),
    ):
        findings = verify_json_proof(forged, [trusted]).findings
        theatre.say(act, [finding.sentence for finding in findings if not finding.passed])


async def _histories(theatre: Theatre) -> None:
    """Roll the database back to a backup, quietly, and then with another history signed on top of it."""
    async with theatre.stage("signed") as ledger:
        await theatre.grow(ledger, 100, "later")
    async with theatre.stage("signed") as ledger:
        await Integrator(ledger, theatre.heads).integrate([theatre.workspace_id])
        async with ledger.db.housekeeping(theatre.workspace_id) as tx:
            state = await queries.state(tx)
        assert state is not None
        theatre.say("the database is rolled back to a backup", [state.halted] if state.halted else [])
    kept, theatre.heads = theatre.heads, Heads(theatre.stack.data / "elsewhere")
    async with theatre.stage("signed") as ledger:
        await theatre.grow(ledger, 300, "forged")
        found = await whole_pass(ledger, kept, theatre.workspace_id)
    theatre.say("another history is signed after a head (a fork)", [each.sentence for each in found])


if __name__ == "__main__":
    main()
