"""Who gets mail: addresses, or members by their ``user_…`` id, whose address is looked up when a mail goes out.

Addresses are sealed where they are stored and stand in no record. A member who left, or was erased, gets nothing.
"""

from typing import Annotated

import msgspec
from pydantic import AfterValidator, Field

from provenance.core.db import ReadTx
from provenance.core.ids import decode
from provenance.core.keyring import WorkspaceKeys
from provenance.identity.queries import memberships_of
from provenance.identity.schemas import Status
from provenance.identity.service import person_by_id

PURPOSE = "notifications.recipients"
MOST = 50


def _recipient(text: str) -> str:
    name, _, domain = text.rpartition("@")
    if text.startswith("user_") and decode("user", text) is not None:
        return text
    if (
        not name
        or not domain
        or "@" in name
        or not text.isascii()
        or not text.isprintable()
        or set(text) & set(' <>,;"')
    ):
        raise ValueError("is neither an e-mail address nor the user_… id of a member")
    return text


Recipient = Annotated[str, Field(min_length=3, max_length=320), AfterValidator(_recipient)]
Recipients = Annotated[list[Recipient], Field(max_length=MOST)]


def sealed(keys: WorkspaceKeys, recipients: list[str]) -> bytes:
    """Seal a list of recipients."""
    return keys.seal(PURPOSE, msgspec.json.encode(recipients))


def opened(keys: WorkspaceKeys, stored: bytes) -> list[str]:
    """Open what `sealed` made. Raises KeyringError."""
    return msgspec.json.decode(keys.open(PURPOSE, stored), type=list[str])


async def addresses(tx: ReadTx, instance_keys: WorkspaceKeys, recipients: list[str]) -> list[str]:
    """Return the addresses that recipients stand for now, each once; ``instance_keys`` open those of people."""
    found = [await _address(tx, instance_keys, each) for each in recipients]
    return list(dict.fromkeys(address for address in found if address))


async def _address(tx: ReadTx, instance_keys: WorkspaceKeys, recipient: str) -> str | None:
    person_id = decode("user", recipient)
    if person_id is None:
        return recipient
    places = await memberships_of(tx, person_id)
    here = any(place.workspace_id == tx.workspace_id and place.status is Status.ACTIVE for place in places)
    person = await person_by_id(tx, instance_keys, person_id) if here else None
    return None if person is None else person.email
