"""A master key that HashiCorp Vault, or OpenBao, holds: its transit engine wraps and opens data keys over HTTP.

Asked once for a workspace and process; what is opened stays in memory, so that no request waits for Vault twice.
"""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from provenance.core.key_services import KeyAway, address, ask
from provenance.core.master_keys import KeyringError
from provenance.core.settings import Settings

_TAG_BYTES = 32
_MEANINGS = {
    403: "the token may not use the key: it needs update on encrypt/, decrypt/ and rewrap/",
    404: "there is no such transit engine or key",
    503: "Vault is sealed",
}


class VaultKey:
    """A key of the transit engine. No key leaves Vault: data keys are sent there to be wrapped and opened."""

    def __init__(self, url: str, *, mount: str, key: str, token: Callable[[], str], namespace: str | None) -> None:
        """Take where Vault is, which key it is, and what tells the token, each time anew. Raises KeyringError."""
        self._url = address(url, "PROVENANCE_VAULT_URL", "https://vault.example.com:8200")
        self._place = f"{mount}/{key}"
        self._mount, self._key = mount, key
        self._token, self._namespace = token, namespace
        self.id, self.where = f"vault:{self._place}", url

    async def wrap(self, secret: bytes, context: bytes) -> bytes:
        """Have a data key encrypted, with a tag of its context inside. Raises KeyringError."""
        plaintext = b64encode(secret + _tag(secret, context)).decode()
        return str((await self._ask("encrypt", {"plaintext": plaintext}))["ciphertext"]).encode()

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Have a data key decrypted. Raises KeyringError, also when it belongs to another context."""
        found = b64decode((await self._ask("decrypt", {"ciphertext": wrapped.decode()}))["plaintext"])
        secret, tag = found[:-_TAG_BYTES], found[-_TAG_BYTES:]
        if not hmac.compare_digest(tag, _tag(secret, context)):
            raise KeyringError("a wrapped data key was moved to another place")
        return secret

    async def renewed(self, wrapped: bytes, context: bytes) -> bytes:
        """Have a data key wrapped by the newest version of the key; nothing is opened here. Raises KeyringError."""
        return str((await self._ask("rewrap", {"ciphertext": wrapped.decode()}))["ciphertext"]).encode()

    async def _ask(self, verb: str, body: dict[str, str]) -> dict[str, Any]:
        path = f"/v1/{quote(self._mount)}/{verb}/{quote(self._key)}"
        headers = {"x-vault-token": self._token(), "content-type": "application/json", "x-vault-request": "true"}
        headers |= {} if self._namespace is None else {"x-vault-namespace": self._namespace}
        url = self._url.with_path(self._url.path.rstrip("/") + path)
        reply = await ask(url, headers, msgspec.json.encode(body), service="Vault")
        return self._data(verb, reply.status, reply.body)

    def _data(self, verb: str, status: int, body: bytes) -> dict[str, Any]:
        try:
            found = msgspec.json.decode(body)
            if status == 200:
                data: dict[str, Any] = found["data"]
                return data
        except (msgspec.DecodeError, KeyError, TypeError):
            pass
        what = f"Vault refuses to {verb} with the key {self._place}: status {status}"
        meaning = f", {_MEANINGS[status]}" if status in _MEANINGS else ""
        raise (KeyAway if status >= 500 or status == 429 else KeyringError)(what + meaning)


def vault_of(settings: Settings) -> VaultKey | None:
    """Return the key that the settings name; None when they name none. Raises KeyringError."""
    if settings.vault_url is None:
        return None
    return VaultKey(
        settings.vault_url,
        mount=settings.vault_mount,
        key=settings.vault_key,
        token=lambda: _token(settings.vault_token_file, settings),
        namespace=settings.vault_namespace,
    )


def _token(file: Path | None, settings: Settings) -> str:
    """Return the token; a file is read each time, for an agent may renew it. Raises KeyringError."""
    if file is None:
        if settings.vault_token is None:
            raise KeyringError("set PROVENANCE_VAULT_TOKEN or PROVENANCE_VAULT_TOKEN_FILE: Vault asks for a token")
        return settings.vault_token.get_secret_value()
    try:
        return file.read_text().strip()
    except OSError as error:
        raise KeyringError(f"the token of Vault, {file}, can't be read: {error.strerror}") from None


def _tag(secret: bytes, context: bytes) -> bytes:
    """Transit's own associated data is not in every version, and not for every kind of key: this works with all."""
    return hmac.digest(secret, b"provenance data key context" + context, "sha256")
