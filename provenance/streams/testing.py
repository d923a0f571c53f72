"""Sending one event that says it is a test, and hearing what comes back."""

import asyncio
import time

from provenance.audit.schemas import Credential, Event
from provenance.audit.service import domain_of
from provenance.core.actor import Actor
from provenance.core.clock import iso_millis, now_ns
from provenance.core.db import Database
from provenance.core.egress import Egress
from provenance.core.ids import encode, new_uuid
from provenance.ledger.service import Ledger
from provenance.streams import service
from provenance.streams.delivering import said_of
from provenance.streams.schemas import PREFIX, Stored, StreamEvent, TestResult
from provenance.streams.sealing import opened
from provenance.streams.shapes import stored
from provenance.streams.targets.building import build
from provenance.streams.targets.contract import FAILURES, Batch, Secrets

TEST_SECONDS = 30.0


async def test(ledger: Ledger, db: Database, actor: Actor, stream_id: str) -> TestResult:
    """Send one event outside of any transaction, then record how it went. Raises StreamNotFound."""
    async with db.read(actor) as tx:
        stream = await service.stored_of(tx, stream_id)
        workspace = (await ledger.catalogues.within(tx)).workspace
    secrets = await opened(ledger.keyring, actor.workspace_id, stream.sealed)
    started = time.monotonic()
    ok, said = await _tried(
        ledger, stream, secrets, Batch(str(stream.id), workspace, [_event(workspace, actor, stream)])
    )
    result = TestResult(ok=ok, said=said, duration_ms=round((time.monotonic() - started) * 1000))
    async with db.write(actor) as tx:
        service.record_test(tx, stream, result)
    return result


async def _tried(ledger: Ledger, stream: Stored, secrets: Secrets, batch: Batch) -> tuple[bool, str]:
    egress = Egress(ledger.settings.egress_allow)
    try:
        target = build(stored(stream.target), secrets, egress, ledger.settings.data_dir)
        async with asyncio.timeout(TEST_SECONDS):
            receipt = await target.deliver(batch)
        return not receipt.refused, secrets.without(receipt.said)
    except TimeoutError:
        return False, f"The target took longer than {TEST_SECONDS:g} seconds."
    except FAILURES as error:
        return False, secrets.without(said_of(error))
    finally:
        await egress.close()


def _event(workspace: str, actor: Actor, stream: Stored) -> Event:
    """Make an event like those of the audit, with the number 0, which no row has."""
    return Event(
        event_id=encode("evt", new_uuid()),
        event_type=StreamEvent.TESTED.value,
        domain=domain_of(StreamEvent.TESTED),
        risk="low",
        at=iso_millis(now_ns()),
        workspace_id=workspace,
        actor_id=actor.id,
        actor_kind="user",
        person_id=None,
        credential=Credential(kind="internal"),
        ip=None,
        user_agent=None,
        object_kind="audit_stream",
        object_id=encode(PREFIX, stream.id),
        object_name=stream.name,
        action="tested",
        outcome="ok",
        run_id=None,
        step_id=None,
        request_id=None,
        changes=[],
        detail={"test": True},
        seq=0,
        mac_key_id="",
        mac="",
    )
