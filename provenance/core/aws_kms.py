"""A master key that AWS KMS holds: it wraps and opens data keys over HTTP, and never gives the key out.

Each data key is bound to its place by KMS's encryption context: KMS opens it nowhere else, and names the place in its
own trail. Asked once for a workspace and process, as `core.vault` is.
"""

import os
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from provenance.core.key_services import KeyAway, address, ask
from provenance.core.master_keys import KeyringError
from provenance.core.settings import Settings
from provenance.core.sigv4 import Credentials, Signer

_KEY = re.compile(r"(?:arn:[a-z-]+:kms:([a-z0-9-]+):\d+:key/)?([A-Za-z0-9-]+)")
_REGION = re.compile(r"[a-z0-9-]+")
_TYPE = re.compile(r"(?:[\w.]+#)?([A-Za-z]{1,64})(?::.*)?", re.ASCII)
_UNKNOWN = "PROVENANCE_AWS_ACCESS_KEY_ID (or AWS_ACCESS_KEY_ID) is unknown there, or its session token is not its own"
_UNSIGNED = "PROVENANCE_AWS_SECRET_ACCESS_KEY (or AWS_SECRET_ACCESS_KEY) does not fit, or this machine's clock is wrong"
_MEANINGS = {
    "AccessDeniedException": "the credentials may not use it: they need kms:Encrypt, kms:Decrypt and kms:ReEncrypt*",
    "UnrecognizedClientException": _UNKNOWN,
    "InvalidClientTokenId": _UNKNOWN,
    "ExpiredTokenException": "the time of PROVENANCE_AWS_SESSION_TOKEN (or AWS_SESSION_TOKEN) is over",
    "InvalidSignatureException": _UNSIGNED,
    "SignatureDoesNotMatch": _UNSIGNED,
    "NotFoundException": "PROVENANCE_AWS_KMS_KEY is not there, in this region",
    "DisabledException": "the key is disabled",
    "KMSInvalidStateException": "the key is not ready to be used, such as one that waits for its deletion",
    "InvalidKeyUsageException": "it is no symmetric key for encryption",
    "IncorrectKeyException": "another key wrapped this",
    "InvalidCiphertextException": "the wrapped data key is damaged, or was moved to another place",
}
_AWAY = frozenset(
    {
        "DependencyTimeoutException",
        "ExpiredTokenException",  # the operator's to renew, not the client's whose request meets it
        "KMSInternalException",
        "KeyUnavailableException",
        "ThrottlingException",
    }
)


class KmsKey:
    """A symmetric key of AWS KMS. No key leaves it: data keys are sent there to be wrapped and opened."""

    def __init__(self, key: str, *, region: str | None, endpoint: str | None, who: Callable[[], Credentials]) -> None:
        """Take the key's id or ARN, where it is, and what tells the credentials. Raises KeyringError."""
        found = _KEY.fullmatch(key)
        if found is None:  # an alias may lead to another key tomorrow, and nothing would open
            raise KeyringError("PROVENANCE_AWS_KMS_KEY is no id or ARN of a key; an alias will not do")
        self._key, self._who = key, who
        self._region = region or found[1] or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
        if not _REGION.fullmatch(self._region):
            raise KeyringError("PROVENANCE_AWS_KMS_REGION has to say where the key is, such as eu-central-1")
        usual = f"https://kms.{self._region}.amazonaws.com"
        self._url = address(endpoint or usual, "PROVENANCE_AWS_KMS_ENDPOINT", usual).origin() / ""
        self.id, self.where = f"aws-kms:{found[2]}", str(self._url.origin())

    async def wrap(self, secret: bytes, context: bytes) -> bytes:
        """Have a data key encrypted, bound to its context. Raises KeyringError."""
        body = {"KeyId": self._key, "Plaintext": _text(secret), "EncryptionContext": _bound(context)}
        return await self._ask("Encrypt", body, "CiphertextBlob")

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Have a data key decrypted. Raises KeyringError, also when it belongs to another context."""
        body = {"KeyId": self._key, "CiphertextBlob": _text(wrapped), "EncryptionContext": _bound(context)}
        return await self._ask("Decrypt", body, "Plaintext")

    async def renewed(self, wrapped: bytes, context: bytes) -> bytes:
        """Have a data key wrapped by the newest material of the key; nothing is opened here. Raises KeyringError."""
        bound = {"SourceEncryptionContext": _bound(context), "DestinationEncryptionContext": _bound(context)}
        keys = {"SourceKeyId": self._key, "DestinationKeyId": self._key}
        return await self._ask("ReEncrypt", {"CiphertextBlob": _text(wrapped), **keys, **bound}, "CiphertextBlob")

    async def _ask(self, verb: str, content: Mapping[str, object], wanted: str) -> bytes:
        headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": f"TrentService.{verb}"}
        body, signer = msgspec.json.encode(content), Signer(self._who(), self._region, "kms")
        signed = signer.signed("POST", self._url, headers, body, datetime.now(UTC))
        reply = await ask(self._url, signed, body, service="AWS KMS")
        found = _read(reply.body)
        try:
            if reply.status == 200:
                return b64decode(found[wanted], validate=True)
        except (KeyError, TypeError, ValueError):
            pass
        raise self._refusal(verb, reply.status, str(found.get("__type", "")))

    def _refusal(self, verb: str, status: int, told: str) -> KeyringError:
        """Say what an answer means. Its own message is left out: it may repeat what was signed, a token with it."""
        read = _TYPE.fullmatch(told)
        kind = f"status {status}" if read is None else read[1]
        what = f"AWS KMS refuses to {verb} with the key {self._key} in {self._region}: {kind}"
        away = status >= 500 or status == 429 or kind in _AWAY
        return (KeyAway if away else KeyringError)(what + (f", {_MEANINGS[kind]}" if kind in _MEANINGS else ""))


def kms_of(settings: Settings) -> KmsKey | None:
    """Return the key that the settings name; None when they name none. Raises KeyringError."""
    if settings.aws_kms_key is None:
        return None
    return KmsKey(
        settings.aws_kms_key,
        region=settings.aws_kms_region,
        endpoint=settings.aws_kms_endpoint,
        who=lambda: _credentials(settings),
    )


def _credentials(settings: Settings) -> Credentials:
    """Return the credentials of the settings, else of the usual variables, never some of each. Raises KeyringError."""
    own = (settings.aws_access_key_id, settings.aws_secret_access_key, settings.aws_session_token)
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    if any(own):
        given, prefix = [each.get_secret_value() if each else None for each in own], "PROVENANCE_"
    else:
        given, prefix = [os.environ.get(name) or None for name in names], ""
    key, secret, token = given
    if not key or not secret:
        lacking = names[1 if key else 0]
        raise KeyringError(f"set {prefix}{lacking}: AWS KMS asks for an access key id and its secret access key")
    return Credentials(key, secret, token)


def _read(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def _text(content: bytes) -> str:
    return b64encode(content).decode()


def _bound(context: bytes) -> dict[str, str]:
    return {"provenance": context.hex()}
