"""Signing an approval with a passkey besides: its challenge is the digest of the statement (4.15).

The authenticator thereby signs the very text that the decision is about. The answer is recorded with the decision, so
that whoever has the passkey's public key can check it later, without believing the server.
"""

from typing import Any

from sqlalchemy import Row

from provenance.approvals.errors import AssertionRefused, NoPasskey
from provenance.approvals.schemas import Challenge
from provenance.approvals.settling import statement_of, wire_id
from provenance.core.db import ReadTx, WriteTx
from provenance.identity.passkeys import service as passkeys
from provenance.identity.passkeys.schemas import Site

KEPT = ("authenticatorData", "clientDataJSON", "signature")
LONGEST = 4_096


async def challenge(tx: ReadTx, site: Site, row: Row[Any]) -> Challenge:
    """Return what the actor's browser needs to sign an approval as it stands. Raises NoPasskey."""
    digest = (await statement_of(tx, row)).digest
    options = await passkeys.ask_to_sign(tx, site, bytes.fromhex(digest))
    if options is None:
        raise NoPasskey
    return Challenge(
        approval_id=wire_id(row.id), digest=digest, payload_revision=row.payload_revision, public_key=options
    )


async def signed(tx: WriteTx, site: Site, row: Row[Any], assertion: dict[str, Any]) -> dict[str, Any]:
    """Return what the record keeps of a passkey's answer, once it is checked. Raises AssertionRefused."""
    digest = (await statement_of(tx, row)).digest
    passkey_id = await passkeys.signed(tx, site, bytes.fromhex(digest), assertion)
    response = assertion.get("response")
    if passkey_id is None or not isinstance(response, dict):
        raise AssertionRefused
    kept = {name: str(response.get(name)) for name in KEPT}
    if any(len(value) > LONGEST for value in kept.values()):
        raise AssertionRefused
    return {"passkeyId": passkey_id, **kept}
