"""What is the same for every service that holds a master key: its address, one call, and a trial of the key."""

from collections.abc import Mapping

from yarl import URL

from provenance.core.addresses import EgressError
from provenance.core.egress import Egress, Reply
from provenance.core.master_keys import Holder, KeyringError

SECONDS = 10.0


class KeyAway(KeyringError):
    """Who holds the master key does not answer now; they may later."""


def address(text: str, setting: str, example: str) -> URL:
    """Read the address of a service. Raises KeyringError, which names the setting."""
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise KeyringError(f"{setting} is no address such as {example}")
    return url


async def ask(url: URL, headers: Mapping[str, str], body: bytes, *, service: str) -> Reply:
    """Post one question. Raises KeyAway when no answer comes."""
    egress = Egress([str(url.host)])  # whoever runs the server named this address
    try:
        return await egress.request("POST", str(url), headers=headers, body=body, seconds=SECONDS)
    except EgressError as error:
        raise KeyAway(f"{service} at {url.host} does not answer: {error}") from None
    finally:
        await egress.close()


async def check(holder: Holder) -> None:
    """Wrap and open something. Raises KeyringError, which says what is wrong and what to do."""
    if await holder.unwrap(await holder.wrap(bytes(32), b"check"), b"check") != bytes(32):
        raise KeyringError(f"the key {holder.id} does not open what it wrapped")
