"""The verbs of witnessing besides the rounds: whom to ask, whom to trust, how it stands."""

from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import new_uuid
from provenance.ledger.log import queries as log_queries
from provenance.ledger.log.schemas import Head
from provenance.ledger.service import Fact, record
from provenance.ledger.witness import queries
from provenance.ledger.witness.errors import NoSuchWitness, NotAWitnessKey, NotCosigned, WitnessExists
from provenance.ledger.witness.schemas import Witness
from provenance.proof.notes import COSIGNATURE_V1, ED25519, MalformedKey, VerifierKey


async def add(tx: WriteTx, url: str, verifier_key: str) -> Witness:
    """Show the heads of the workspace's log to a witness from now on; in the instance workspace, those of every log.

    Raises NotAWitnessKey and WitnessExists.
    """
    key = _key(verifier_key, COSIGNATURE_V1)
    witness = Witness(new_uuid(), key.name, url.rstrip("/"), str(key))
    if not await queries.add(tx, witness):
        raise WitnessExists(f"The witness at {witness.url} is asked already.")
    record(tx, _fact("ADDED", key.name, {"url": witness.url, "verifierKey": witness.verifier_key}))
    return witness


async def remove(tx: WriteTx, url: str) -> None:
    """Show nothing to the witness at a URL any more; its cosignatures stay. Raises NoSuchWitness."""
    name = await queries.remove(tx, url.rstrip("/"))
    if name is None:
        raise NoSuchWitness(f"No witness is asked at {url}.")
    record(tx, _fact("REMOVED", name, {"url": url.rstrip("/")}))


async def trust(tx: WriteTx, origin: str, verifier_key: str) -> None:
    """Cosign the heads of a log from now on, if this key or one trusted before has signed them.

    Raises NotAWitnessKey.
    """
    key = _key(verifier_key, ED25519)
    await queries.trust(tx, origin, str(key))
    record(tx, _fact("LOG_TRUSTED", origin, {"verifierKey": str(key)}))


async def distrust(tx: WriteTx, origin: str) -> None:
    """Cosign a log no longer. What we cosigned stays known: trusted again, it goes on there. Raises NoSuchWitness."""
    if not await queries.distrust(tx, origin):
        raise NoSuchWitness(f"No log of the origin {origin} is witnessed.")
    record(tx, _fact("LOG_DISTRUSTED", origin, {}))


async def newest_cosigned(tx: ReadTx) -> Head:
    """Return the newest head of the workspace's log that a witness has signed. Raises NotCosigned."""
    place = await queries.cosigned(tx)
    head = None if place is None else await log_queries.head(tx, *place)
    if head is None:
        raise NotCosigned("No witness has signed a head of this log yet. See: provenance log status")
    return head


def _key(text: str, kind: int) -> VerifierKey:
    try:
        key = VerifierKey.parse(text.strip())
    except MalformedKey as error:
        raise NotAWitnessKey.at("key", str(error)) from None
    if key.kind != kind:
        wanted = "a witness's (cosignature/v1)" if kind == COSIGNATURE_V1 else "a log's (Ed25519)"
        raise NotAWitnessKey.at("key", f"is not {wanted} key")
    return key


def _fact(action: str, subject: str, data: dict[str, str]) -> Fact:
    return Fact(resource_type="WITNESS", action=action, resource_id=subject, data=data, risk="high", domain="ledger")
